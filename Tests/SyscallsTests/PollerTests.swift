import Model
import Synchronization
import Testing

@testable import Syscalls

@Suite(.timeLimit(.minutes(1))) struct PollerTests {
    @Test func tokensComeBackWhole() throws {
        var poller = try Poller(capacity: 4)
        let tokens: [UInt64] = [0, 1, 0x0123_4567_89ab_cdef, .max]
        let counters = [try Box(), try Box(), try Box(), try Box()]
        for (token, box) in zip(tokens, counters) {
            try poller.add(box.counter.descriptor, token: token, writing: false)
            box.counter.signal()
        }
        let count = poller.wait(milliseconds: 1000)
        #expect(Set((0..<count).map { poller.event($0).token }) == Set(tokens))
        #expect((0..<count).allSatisfy { poller.event($0).readiness.contains(.readable) })
        #expect(poller.wait(milliseconds: 0) == 0, "an edge comes once")
        counters[2].counter.clear()
        counters[2].counter.signal()
        #expect(poller.wait(milliseconds: 1000) == 1 && poller.event(0).token == tokens[2])
    }

    @Test func gatheredOnesWakeNobodyWhileTheyAreHeld() throws {
        var poller = try Poller(capacity: 4)
        let busy = try EventCounter()
        let other = try EventCounter()
        try poller.add(busy.descriptor, token: 7)
        try poller.add(other.descriptor, token: 8)
        try poller.move(busy.descriptor, token: 7, gathered: true)
        // Both can be written to: that is told once.
        let (first, second) = (poller.wait(milliseconds: 1000), poller.wait(milliseconds: 0))
        #expect(first == 2 && second == 0)

        poller.holdGathered(true)
        busy.signal()
        let (brief, none) = (poller.wait(nanoseconds: 1_000_000), poller.wait(milliseconds: 0))
        #expect(brief == 0 && none == 0)
        other.signal()
        let woken = poller.wait(nanoseconds: 1_000_000_000)
        #expect(woken == 1 && poller.event(0).token == 8)
        let (all, full) = (poller.takeGathered(behind: 1), poller.event(1))
        #expect(all == 2 && full.token == 7 && full.readiness.contains(.readable) && poller.event(0).token == 8)
        let noRoom = poller.takeGathered(behind: 4)
        #expect(noRoom == 4)

        poller.holdGathered(false)
        busy.signal()
        let atOnce = poller.wait(milliseconds: 1000)
        #expect(atOnce == 1 && poller.event(0).token == 7)
        try poller.move(busy.descriptor, token: 9, gathered: false)
        let again = poller.wait(milliseconds: 1000)
        #expect(again == 1 && poller.event(0).token == 9, "what is ready is told again")
    }

    /// An array cannot hold what is not copyable.
    private final class Box: Sendable {
        let counter: EventCounter
        init() throws(Errno) { counter = try EventCounter() }
    }

    @Test func aThreadRunsAndIsJoined() throws {
        let value = Atomic<Int>(0)
        try withThread(name: "a-name-that-is-much-too-long-for-the-kernel") { value.store(7, ordering: .releasing) }
        #expect(value.load(ordering: .acquiring) == 7)
    }

    private func withThread(name: String, _ body: @escaping @Sendable () -> Void) throws {
        let thread = try Thread(name: name, body)
        thread.join()
    }
}
