/// A hash over bytes that can stop at any length and go on, so that one walk over a path or a host gives the hashes of all
/// its beginnings (or, walked backwards, of its ends). FNV-1a; requests do not choose what is in the tables, so it need
/// not withstand anybody.
struct TextHash {
    private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    @inline(__always) mutating func append(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }

    /// The hash of what has been appended as a key of `scope` (a table, a virtual host) and `kind`.
    @inline(__always) func key(scope: Int, kind: UInt8, port: UInt16 = 0) -> UInt64 {
        let salt = UInt64(truncatingIfNeeded: scope) &<< 24 | UInt64(kind) &<< 16 | UInt64(port)
        var mixed = value ^ (salt &* 0x9e37_79b9_7f4a_7c15)
        mixed = (mixed ^ (mixed &>> 32)) &* 0xd6e8_feb8_6659_fd93
        return mixed ^ (mixed &>> 32)
    }
}

extension UInt8 {
    /// ASCII letters in lower case.
    @inline(__always) var lowered: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }
}
