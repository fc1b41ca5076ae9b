import Syscalls
import Testing

@testable import HandOver

struct FrameTests {
    @Test func aHeaderSaysWhatFollows() throws {
        var frame = try Frame(.done, Done(handedOver: 3, reset: 0))
        frame.bytes = Array(repeating: 7, count: 70_000)
        let read = try Frame.read(header: frame.header)
        #expect(read.kind == .done && read.text == frame.text.count && read.bytes == 70_000)
        #expect(try frame.message(Done.self).handedOver == 3)
    }

    @Test(arguments: [
        [UInt8](repeating: 0, count: 16),
        Array("APUS".utf8) + [99, 0, 0, 0] + [UInt8](repeating: 0, count: 8),
        Array("APUS".utf8) + [1, 0, 0, 0] + [UInt8](repeating: 0xff, count: 8),
        Array("APUS".utf8),
    ])
    func whatIsNoHeaderIsRefused(_ header: [UInt8]) {
        #expect(throws: Frame.Problem.self) { try Frame.read(header: header) }
    }
}
