import Testing

@testable import Proxy

struct FrameShareTests {
    @Test func aShareHasAnEnd() {
        var share = FrameShare(output: 1000)
        #expect(!share.isSpent(output: 1000 + 65535) && share.isSpent(output: 1000 + 65536))
        for _ in 0..<63 { share.count(.head(consumed: 9, stream: 1, tag: 0, framing: .none, isEnd: true)) }
        #expect(!share.isSpent(output: 1000))
        // Frames that only move bytes are cheap.
        for _ in 0..<15 { share.count(.data(consumed: 9, stream: 1, tag: 0, body: 0..<1, isEnd: false)) }
        #expect(!share.isSpent(output: 1000))
        share.count(.consumed(9))
        #expect(share.isSpent(output: 1000))
    }
}
