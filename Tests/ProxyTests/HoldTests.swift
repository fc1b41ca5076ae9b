import Syscalls
import Testing

@testable import Proxy

/// What a blocked direction is charged for, as a pure value.
@Suite struct HoldTests {
    private static let later = Hold.windowNanoseconds

    @Test func whatIsChargedIsGivenBack() {
        var hold = Hold()
        var sum = 0
        for step in 0..<1000 {
            let now = Int64(step) * 3_000_000
            if hold.isDue(now) { hold.sample(source: memory(received: step * 100), sink: memory(sent: 5000), now) }
            sum += step % 7 == 6 ? hold.release() : hold.block(chunkBytes: step % 5 * 4096, now)
            #expect(sum == hold.charged && sum >= 0)
        }
        sum += hold.release()
        #expect(sum == 0)
        #expect(hold.release() == 0, "once")
    }

    @Test func socketsCountAndAFreshBlockCountsAFullReceiveBuffer() {
        var hold = Hold()
        hold.sample(source: memory(received: 1000), sink: memory(sent: 200_000), 0)
        #expect(hold.block(chunkBytes: 16384, 0) == 16384 + Hold.windowBytes + 200_000)
        // Later what the sockets say is what there is.
        #expect(hold.block(chunkBytes: 16384, Self.later) == 1000 - Hold.windowBytes)
        #expect(hold.charged == 16384 + 1000 + 200_000)
        // A source that holds more counts with that from the start.
        _ = hold.release()
        hold.sample(source: memory(received: 3 << 20), sink: nil, Self.later)
        #expect(hold.block(chunkBytes: 0, Self.later) == 3 << 20)
    }

    @Test func whatComesFromElsewhereCountsWhatItsSocketsHold() {
        var hold = Hold()
        hold.arrive()
        hold.sample(source: memory(received: 1000), sink: nil, 5)
        #expect(hold.block(chunkBytes: 10, 5) == 1010)
        // From its next block on it is like any other.
        _ = hold.release()
        #expect(hold.block(chunkBytes: 10, 5) == 10 + Hold.windowBytes)
    }

    @Test func theSocketsAreAskedAtOnceAndThenSeldom() {
        var hold = Hold()
        #expect(hold.isDue(0) && hold.isDue(1 << 60))
        hold.sample(source: nil, sink: nil, 5)
        #expect(!hold.isDue(5 + Hold.sampleNanoseconds - 1))
        #expect(hold.isDue(5 + Hold.sampleNanoseconds))
    }

    @Test func aBlockedDirectionIsNeverChargedNothing() {
        var hold = Hold()
        hold.sample(source: nil, sink: nil, 0)
        _ = hold.block(chunkBytes: 0, 0)
        #expect(hold.block(chunkBytes: 0, Self.later) < 0)
        #expect(hold.charged == 1)
    }

    private func memory(received: Int = 0, sent: Int = 0) -> Socket.Memory {
        Socket.Memory(received: received, sent: sent)
    }
}
