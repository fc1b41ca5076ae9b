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
