import Buffers
import EventLoop
import Syscalls
import Testing

@testable import Proxy

/// What the macros cannot take of a value that is not copyable.
private struct Facts: Equatable {
    var readSize: Int
    var hasWork: Bool
    var readToEnd: Bool

    init(_ flow: borrowing Flow) {
        readSize = flow.readSize
        hasWork = flow.hasWork
        readToEnd = flow.readToEnd
    }
}

@Suite struct FlowTests {
    @Test func readsGrowWithBulkAndShrinkWithTrickle() {
        var flow = Flow()
        #expect(Facts(flow).readSize == Flow.readSizeMin)
        var sizes: [Int] = []
        for _ in 0..<6 {
            flow.adapt(to: flow.readSize)
            sizes.append(flow.readSize >> 10)
        }
        #expect(sizes == [32, 64, 128, 256, 256, 256] && Facts(flow).readSize == Scratch.size)
        // A message now and then among large ones does not make it shrink.
        for _ in 0..<100 {
            for _ in 0..<7 { flow.adapt(to: 1) }
            flow.adapt(to: 200 << 10)
        }
        #expect(Facts(flow).readSize == Scratch.size)
        for _ in 0..<8 * 4 { flow.adapt(to: 1) }
        #expect(Facts(flow).readSize == Flow.readSizeMin)
        for _ in 0..<100 { flow.adapt(to: 1) }
        #expect(Facts(flow).readSize == Flow.readSizeMin)
    }

    @Test func workIsWhatATurnCouldDo() {
        var flow = Flow()
        #expect(!Facts(flow).hasWork)
        flow.sourceEvent(.writable)
        #expect(!Facts(flow).hasWork, "not what the source waits for")
        flow.sourceEvent(.readable)
        #expect(Facts(flow).hasWork && !Facts(flow).readToEnd)
        var pool = ChunkPool()
        flow.pending = pool.take(1)
        flow.sinkReady = false
        #expect(!Facts(flow).hasWork, "held bytes go first")
        flow.sinkEvent(.readable)
        #expect(!Facts(flow).hasWork)
        flow.sinkEvent(.writable)
        #expect(Facts(flow).hasWork)
        flow.pending = nil
        flow.sourceReady = false
        #expect(!Facts(flow).hasWork)
        flow.sourceEvent([.peerClosed])
        #expect(Facts(flow).hasWork && Facts(flow).readToEnd)
        flow.sourceEnded = true
        flow.finished = true
        #expect(!Facts(flow).hasWork)
    }

    @Test func tokensComeBackWhole() throws {
        let handles = [
            SlabHandle(index: 0, generation: 0), SlabHandle(index: .max, generation: 0xff_ffff),
            SlabHandle(index: 7, generation: 0x12_3457),
        ]
        for kind in (0...7).compactMap(Token.Kind.init(rawValue:)) {
            for handle in handles {
                let token = try #require(Token(Token(kind, handle).bits))
                #expect(token.kind == kind && token.handle == handle)
            }
        }
        #expect(Token(.max) == nil)
    }
}
