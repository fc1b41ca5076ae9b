/// Why bytes from another process are no session: what did not fit, and where.
public struct HTTP2HandoverFlaw: Error, BitwiseCopyable, Sendable, Equatable {
    /// Bytes before it.
    public let offset: Int
}

/// State as bytes: whole numbers, little-endian, each in as many bytes as its type has.
struct HandoverWriter: ~Copyable {
    var bytes: [UInt8] = []

    mutating func put<Number: FixedWidthInteger>(_ number: Number) {
        var rest = Number.Magnitude(truncatingIfNeeded: number)
        for _ in 0..<Number.bitWidth / 8 {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    mutating func put(_ flag: Bool) { bytes.append(flag ? 1 : 0) }

    /// With their count before them.
    mutating func put(_ run: some Collection<UInt8>) {
        put(UInt32(run.count))
        bytes += run
    }
}

/// Reads what a `HandoverWriter` has written. Nothing is believed: every number has bounds.
struct HandoverReader: ~Copyable {
    private let bytes: [UInt8]
    private(set) var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var left: Int { bytes.count - offset }
    var flaw: HTTP2HandoverFlaw { HTTP2HandoverFlaw(offset: offset) }

    mutating func number<Number: FixedWidthInteger>(
        _ type: Number.Type = Number.self
    ) throws(HTTP2HandoverFlaw) -> Number {
        guard left >= Number.bitWidth / 8 else { throw flaw }
        var value: Number.Magnitude = 0
        for index in 0..<Number.bitWidth / 8 { value |= Number.Magnitude(bytes[offset + index]) << (8 * index) }
        offset += Number.bitWidth / 8
        return Number(truncatingIfNeeded: value)
    }

    /// A number within bounds.
    mutating func number(_ range: ClosedRange<Int>) throws(HTTP2HandoverFlaw) -> Int {
        let value = try number(Int.self)
        guard range.contains(value) else { throw flaw }
        return value
    }

    mutating func word(_ range: ClosedRange<UInt32>) throws(HTTP2HandoverFlaw) -> UInt32 {
        let value = try number(UInt32.self)
        guard range.contains(value) else { throw flaw }
        return value
    }

    mutating func flag() throws(HTTP2HandoverFlaw) -> Bool {
        let byte = try number(UInt8.self)
        guard byte <= 1 else { throw flaw }
        return byte == 1
    }

    /// One of an enumeration's cases.
    mutating func value<Value: RawRepresentable>(
        _ type: Value.Type = Value.self
    ) throws(HTTP2HandoverFlaw) -> Value where Value.RawValue: FixedWidthInteger {
        guard let value = Value(rawValue: try number()) else { throw flaw }
        return value
    }

    /// A run of bytes with its count before it.
    mutating func run(max: Int) throws(HTTP2HandoverFlaw) -> [UInt8] {
        let count = Int(try number(UInt32.self))
        guard count <= max, count <= left else { throw flaw }
        let start = offset
        offset += count
        return Array(bytes[start..<offset])
    }
}
