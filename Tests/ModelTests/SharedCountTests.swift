import Dispatch
import Synchronization
import Testing

@testable import Model

/// Numbers that several threads touch.
@Suite(.timeLimit(.minutes(1))) struct SharedCountTests {
    @Test func aLimitIsNeverPassedAndNothingIsLost() {
        let words = AtomicWords(capacity: 10_000)
        words.reserve(9_999)
        let peak = Atomic<Int>(0)
        let held = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            for _ in 0..<20_000 where words.take(at: 9_999, limit: 3) {
                peak.max(held.add(1, ordering: .sequentiallyConsistent).newValue, ordering: .relaxed)
                held.subtract(1, ordering: .sequentiallyConsistent)
                words.add(-1, at: 9_999)
            }
        }
        #expect(peak.load(ordering: .relaxed) <= 3 && words.load(9_999) == 0)
    }

    @Test func slotsOutOfRangeReadAsZero() {
        let words = AtomicWords(capacity: 4)
        words.reserve(3)
        words.store(5, at: 3)
        for slot in [-1, 4, Int.max, Int.min] {
            words.store(1, at: slot)
            #expect(words.load(slot) == 0 && words.add(1, at: slot) == 0)
        }
        #expect(words.load(3) == 5)
        let table = CounterTable(capacity: 4, width: 2)
        for (slot, counter) in [(-1, 0), (1 << 40, 0), (0, 2)] {
            table.add(1, slot: slot, counter: counter)
            #expect(table.value(slot: slot, counter: counter) == 0)
        }
    }

    @Test func countersOfAWriterAreReadByOthers() {
        let table = CounterTable(capacity: 1000, width: 3)
        let isDone = Atomic<Bool>(false)
        DispatchQueue.concurrentPerform(iterations: 2) { thread in
            guard thread == 0 else {
                var last = 0
                while !isDone.load(ordering: .acquiring) {
                    let value = table.value(slot: 777, counter: 1)
                    #expect(value >= last)
                    last = value
                }
                return
            }
            for _ in 0..<100_000 { table.add(1, slot: 777, counter: 1) }
            isDone.store(true, ordering: .releasing)
        }
        #expect(table.value(slot: 777, counter: 1) == 100_000)
        #expect(table.value(slot: 776, counter: 1) == 0 && table.value(slot: 777, counter: 0) == 0)
        table.set(3, slot: 777, counter: 2)
        table.clear(slot: 777)
        #expect((0..<3).allSatisfy { table.value(slot: 777, counter: $0) == 0 })
    }

    @Test func recordsComeOutInOrderAndAFullRingSaysSo() {
        let ring = RecordRing(capacity: 64)
        var record = ConnectionRecord()
        for number in 0..<64 {
            record.bytesSent = number
            #expect(ring.push(record))
        }
        #expect(!ring.push(record))
        #expect((0..<64).map { _ in ring.pop()?.bytesSent } == Array(0..<64))
        #expect(ring.pop() == nil)
        let total = 50_000
        DispatchQueue.concurrentPerform(iterations: 2) { thread in
            var (record, next) = (ConnectionRecord(), 0)
            while next < total {
                if thread == 0 {
                    (record.bytesSent, record.bytesReceived) = (next, -next)
                    if ring.push(record) { next += 1 }
                } else if let record = ring.pop() {
                    #expect(record.bytesSent == next && record.bytesReceived == -next)
                    next += 1
                }
            }
        }
    }
}
