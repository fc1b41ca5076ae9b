import Buffers
import Testing

@Suite struct OutputBufferTests {
    @Test func whatIsAppendedIsThereInOrder() {
        var buffer = OutputBuffer(capacity: 1)
        let words = Array("words".utf8)
        buffer.append(words.span)
        buffer.append(" and ")
        buffer.append(UInt8(ascii: "n"))
        // Sound: the array outlives the closure, which only copies.
        unsafe words.withUnsafeBytes { unsafe buffer.append($0) }
        buffer.append(Span())
        let (count, isEmpty) = (buffer.count, buffer.isEmpty)
        #expect(Self.text(buffer) == "words and nwords" && count == 16 && !isEmpty)
    }

    @Test(arguments: [0, 1, 9, 10, 255, 4096, 1_234_567_890, .max])
    func numbers(value: Int) {
        var buffer = OutputBuffer(capacity: 1)
        buffer.appendDecimal(value)
        buffer.append(UInt8(ascii: "/"))
        buffer.appendHex(value)
        #expect(Self.text(buffer) == "\(value)/\(String(value, radix: 16))")
    }

    @Test func numbersBelowZero() {
        var buffer = OutputBuffer()
        buffer.appendDecimal(-17)
        buffer.appendDecimal(.min)
        #expect(Self.text(buffer) == "-17\(Int.min)")
    }

    @Test func itGrowsWithItsContent() {
        var buffer = OutputBuffer(capacity: 64)
        var expected: [UInt8] = []
        for size in [1, 63, 64, 65, 1000, 5, 70_000] {
            let piece = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            buffer.append(piece.span)
            expected += piece
        }
        // Sound: the bytes are copied.
        let held = unsafe buffer.withBytes { unsafe Array($0) }
        #expect(held == expected)
    }

    @Test func memoryIsKeptUpToABound() {
        var buffer = OutputBuffer(capacity: 4096)
        buffer.append([UInt8](repeating: 1, count: 100_000).span)
        let grown = buffer.capacity
        buffer.removeAll()
        let (kept, isEmpty) = (buffer.capacity, buffer.isEmpty)
        #expect(grown >= 100_000 && kept == grown && isEmpty)
        buffer.append([UInt8](repeating: 1, count: OutputBuffer.capacityKept + 1).span)
        buffer.removeAll()
        let left = buffer.capacity
        #expect(left == 4096)
        buffer.append("again")
        #expect(Self.text(buffer) == "again")
    }

    private static func text(_ buffer: borrowing OutputBuffer) -> String {
        // Sound: the bytes are copied.
        unsafe buffer.withBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }
}
