/// The message `HealthCheckResponse`, as it comes: gRPC's prefix, and fields of Protocol Buffers.
enum HealthMessage {
    /// Whether it says SERVING; nil: it is no such message.
    static func isServing(_ bytes: ArraySlice<UInt8>) -> Bool? {
        // Uncompressed (we have not said that we understand anything else), and one message.
        guard bytes.count >= 5, bytes.first == 0 else { return nil }
        let length = bytes.dropFirst().prefix(4).reduce(0) { $0 << 8 | Int($1) }
        var rest = bytes.dropFirst(5)
        guard rest.count == length else { return nil }
        var status: UInt64 = 0
        while !rest.isEmpty {
            guard let key = varint(&rest) else { return nil }
            switch key & 7 {
            case 0:
                guard let value = varint(&rest) else { return nil }
                if key >> 3 == 1 { status = value }
            case 1: guard skip(8, &rest) else { return nil }
            case 2: guard let count = varint(&rest), skip(count, &rest) else { return nil }
            case 5: guard skip(4, &rest) else { return nil }
            default: return nil
            }
        }
        return status == 1
    }

    private static func varint(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for place in 0..<10 {
            guard let byte = rest.popFirst() else { return nil }
            value |= UInt64(byte & 0x7F) << UInt64(7 * place)
            if byte & 0x80 == 0 { return value }
        }
        return nil
    }

    private static func skip(_ count: UInt64, _ rest: inout ArraySlice<UInt8>) -> Bool {
        guard count <= UInt64(rest.count) else { return false }
        rest = rest.dropFirst(Int(count))
        return true
    }
}
