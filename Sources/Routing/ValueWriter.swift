import HTTP
import Model

/// Puts a value together in memory that somebody else holds. What does not fit is cut off.
@safe struct ValueWriter {
    // Sound: used inside of the call that lends the memory; every write is behind a check of its size.
    private let memory: UnsafeMutableBufferPointer<UInt8>
    private(set) var count = 0

    /// What a variable writes at most, bytes.
    static let variableBytesMax = 320
    /// What a value that is neither a text nor there is written as.
    private static let absent = UInt8(ascii: "-")

    /// A writer into `memory`, which is initialised byte by byte.
    @unsafe init(_ memory: UnsafeMutableBufferPointer<UInt8>) { unsafe self.memory = memory }

    mutating func append(_ byte: UInt8) {
        guard unsafe count < memory.count else { return }
        // In bounds by the line above.
        unsafe memory.initializeElement(at: count, to: byte)
        count += 1
    }

    mutating func append(_ bytes: borrowing Span<UInt8>) {
        for place in 0..<min(bytes.count, Self.variableBytesMax) { append(bytes[place]) }
    }

    mutating func append(_ bytes: RecordView<UInt8>) {
        for place in bytes.indices { append(bytes[place]) }
    }

    mutating func appendAbsent() { append(Self.absent) }

    mutating func appendDecimal(_ value: UInt32) {
        if value >= 10 { appendDecimal(value / 10) }
        append(UInt8(ascii: "0") + UInt8(value % 10))
    }

    private mutating func appendOctet(_ value: UInt32) {
        if value >= 100 { append(UInt8(ascii: "0") + UInt8(value / 100)) }
        if value >= 10 { append(UInt8(ascii: "0") + UInt8(value / 10 % 10)) }
        append(UInt8(ascii: "0") + UInt8(value % 10))
    }

    /// As RFC 5952 has it.
    mutating func append(_ address: IPAddress) {
        if let bits = address.v4Bits {
            var shift: UInt32 = 32
            while shift > 0 {
                if shift < 32 { append(UInt8(ascii: ".")) }
                shift -= 8
                appendOctet(bits >> shift & 0xff)
            }
            return
        }
        let zeros = Self.longestZeros(address)
        var index = 0
        while index < 8 {
            if index == zeros.lowerBound, !zeros.isEmpty {
                append(UInt8(ascii: ":"))
                append(UInt8(ascii: ":"))
                index = zeros.upperBound
                continue
            }
            appendHex(Self.group(address, index), digitsMin: 1)
            index += 1
            if index < 8, index != zeros.lowerBound || zeros.isEmpty { append(UInt8(ascii: ":")) }
        }
    }

    /// With the port; brackets around IPv6.
    mutating func append(_ address: SocketAddress) {
        let isV4 = address.address.isV4
        if !isV4 { append(UInt8(ascii: "[")) }
        append(address.address)
        if !isV4 { append(UInt8(ascii: "]")) }
        append(UInt8(ascii: ":"))
        appendDecimal(UInt32(address.port))
    }

    /// As a UUID.
    mutating func append(_ id: (UInt64, UInt64)) {
        for index in 0..<8 {
            if (2...5).contains(index) { append(UInt8(ascii: "-")) }
            let word = index < 4 ? id.0 : id.1
            appendHex(UInt16(truncatingIfNeeded: word >> UInt64(48 - index % 4 * 16)), digitsMin: 4)
        }
    }

    private mutating func appendHex(_ value: UInt16, digitsMin: Int) {
        var isLeading = true
        for digit in 0..<4 {
            let nibble = UInt8(truncatingIfNeeded: value >> UInt16(12 - digit * 4)) & 15
            if isLeading, nibble == 0, 4 - digit > digitsMin { continue }
            isLeading = false
            append(nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10)
        }
    }

    private static func group(_ address: IPAddress, _ index: Int) -> UInt16 {
        let word = index < 4 ? address.high : address.low
        return UInt16(truncatingIfNeeded: word >> UInt64(48 - index % 4 * 16))
    }

    /// The groups that `::` stands for: the longest run of zeros, the first of equal ones, of two or more.
    private static func longestZeros(_ address: IPAddress) -> Range<Int> {
        var (best, start) = (0..<0, 0)
        for index in 0...8 {
            if index < 8, group(address, index) == 0 { continue }
            if index - start > max(best.count, 1) { best = start..<index }
            start = index + 1
        }
        return best
    }
}
