import Synchronization
import Testing

@testable import Model

@Suite struct RequestRingTests {
    private func push(
        _ ring: RequestRing, _ record: RequestRecord = RequestRecord(), method: String = "GET", authority: String = "a",
        path: [UInt8] = [UInt8(ascii: "/")], requestId: String = "", detail: String = ""
    ) -> Bool {
        let (method, authority) = (Array(method.utf8), Array(authority.utf8))
        let (requestId, detail) = (Array(requestId.utf8), Array(detail.utf8))
        return ring.push(
            record, method: method.span, authority: authority.span, path: path.span, requestId: requestId.span,
            detail: detail.span)
    }

    @Test func whatGoesInComesOut() {
        let ring = RequestRing()
        var record = RequestRecord()
        record.status = 503
        record.attempts = 3
        record.flags = [RequestFlags(.connectFailed), RequestFlags(.retryLimit)]
        record.client = SocketAddress(.loopbackV6, 4711)
        #expect(
            push(
                ring, record, method: "POST", authority: "cart.shop:80", path: Array("/x?y".utf8), requestId: "id",
                detail: "bad_chunk"))
        #expect(push(ring, RequestRecord(), method: "", authority: "", path: []))
        var entry = RequestLogEntry()
        #expect(ring.pop(into: &entry))
        #expect(String(decoding: entry.method, as: UTF8.self) == "POST")
        #expect(String(decoding: entry.authority, as: UTF8.self) == "cart.shop:80")
        #expect(String(decoding: entry.path, as: UTF8.self) == "/x?y")
        #expect(String(decoding: entry.requestID, as: UTF8.self) == "id")
        #expect(String(decoding: entry.detail, as: UTF8.self) == "bad_chunk")
        #expect(entry.record.status == 503 && entry.record.retries == 2)
        #expect(entry.record.flags.has(.retryLimit) && !entry.record.flags.has(.upstreamReset))
        #expect(entry.record.client == SocketAddress(.loopbackV6, 4711))
        #expect(ring.pop(into: &entry))
        #expect(entry.method.isEmpty && entry.path.isEmpty && entry.detail.isEmpty && entry.record.status == 0)
        #expect(!ring.pop(into: &entry))
    }

    @Test func longTextsAreCutAndTheNextEntryIsWhole() {
        let ring = RequestRing()
        let long = String(repeating: "x", count: 70_000)
        #expect(push(ring, method: long, authority: long, path: Array(long.utf8), requestId: long, detail: long))
        #expect(push(ring, path: Array("/next".utf8)))
        var entry = RequestLogEntry()
        #expect(ring.pop(into: &entry))
        #expect(entry.path.count == RequestRing.pathBytesMax)
        #expect(entry.method.count == 32 && entry.authority.count == 256 && entry.requestID.count == 128)
        #expect(ring.pop(into: &entry))
        #expect(String(decoding: entry.path, as: UTF8.self) == "/next")
    }

    /// Lengths of all kinds, so that entries end at every distance from the end of the memory; the reader lags behind by
    /// as much as the ring holds.
    @Test func entriesGoRoundTheEndOfTheMemory() {
        let ring = RequestRing(capacity: 16 << 10)
        var entry = RequestLogEntry()
        var (pushed, popped, refused) = (0, 0, 0)
        func path(_ number: Int) -> [UInt8] {
            Array(repeating: UInt8(truncatingIfNeeded: number), count: number &* 7919 % 2100)
        }
        while popped < 20_000 {
            var record = RequestRecord()
            record.generation = UInt64(pushed)
            if pushed < 20_000, push(ring, record, path: path(pushed)) {
                pushed += 1
                continue
            }
            refused += 1
            #expect(pushed > popped, "a ring with nothing in it takes an entry")
            for _ in 0..<(popped % 5 + 1) where ring.pop(into: &entry) {
                #expect(entry.record.generation == UInt64(popped))
                #expect(Array(entry.path) == Array(path(popped).prefix(RequestRing.pathBytesMax)))
                popped += 1
            }
        }
        #expect(refused > 1000)
    }

    @Test func aFullRingRefusesAndGoesOnWhenThereIsRoom() {
        let ring = RequestRing(capacity: 16 << 10)
        var count = 0
        while push(ring) { count += 1 }
        #expect(count > 20)
        #expect(!push(ring), "still full")
        var entry = RequestLogEntry()
        for _ in 0..<count { #expect(ring.pop(into: &entry)) }
        #expect(!ring.pop(into: &entry))
        #expect(push(ring))
    }

    @Test func aRingThatNobodyWantsKeepsNothing() {
        let ring = RequestRing(capacity: 16 << 10)
        ring.isWanted = false
        for _ in 0..<1000 { #expect(push(ring)) }
        var entry = RequestLogEntry()
        #expect(!ring.pop(into: &entry))
        ring.isWanted = true
        #expect(push(ring) && ring.pop(into: &entry))
    }

    /// One producer, one consumer, on threads of their own.
    @Test func nothingIsTornBetweenTwoThreads() async {
        let ring = RequestRing(capacity: 32 << 10)
        let count = 50_000
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for number in 0..<count {
                    var record = RequestRecord()
                    record.generation = UInt64(number)
                    record.route = Int32(number)
                    let path = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: number % 300)
                    while !push(ring, record, path: path) { await Task.yield() }
                }
            }
            group.addTask {
                var entry = RequestLogEntry()
                var wrong = 0
                for number in 0..<count {
                    while !ring.pop(into: &entry) { await Task.yield() }
                    let isRight =
                        entry.record.generation == UInt64(number) && entry.record.route == Int32(number)
                        && entry.path.count == number % 300
                        && entry.path.allSatisfy { $0 == UInt8(truncatingIfNeeded: number) }
                    if !isRight { wrong += 1 }
                }
                #expect(wrong == 0)
            }
        }
    }
}
