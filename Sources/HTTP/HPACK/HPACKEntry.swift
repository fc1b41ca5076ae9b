/// One entry of an HPACK table (RFC 7541 2.3): where its bytes lie, and what is known about it, so that a reference to it
/// is not looked at again.
///
/// A field lies there as a `MessageHead` has it (`name: value`, CR, LF); of a pseudo-field only the value does.
struct HPACKEntry: BitwiseCopyable {
    /// Of the first byte; in a dynamic table counted from the table's beginning, modulo 2^32.
    var offset: UInt32 = 0
    var nameCount: UInt32
    var valueCount: UInt32
    var known: HeaderName
    /// `HeaderField`'s, and `FieldFault`'s.
    var flags: UInt8
    var pseudo: PseudoField

    /// RFC 7541 4.1.
    @inline(__always) var size: Int { Int(nameCount) &+ Int(valueCount) &+ 32 }

    /// Bytes that are kept of it; always fewer than `size`.
    @inline(__always) var stored: Int {
        pseudo == .none ? Int(nameCount) &+ Int(valueCount) &+ 4 : Int(valueCount)
    }

    /// From the first byte to the value's.
    @inline(__always) var valueOffset: Int { pseudo == .none ? Int(nameCount) &+ 2 : 0 }
}

/// Why a field makes its message malformed (RFC 9113 8.2), in the upper bits of an entry's flags.
enum FieldFault {
    static let name: UInt8 = 0x80
    static let value: UInt8 = 0x40
    /// A field that belongs to a connection (RFC 9113 8.2.2).
    static let connection: UInt8 = 0x20
    static let all: UInt8 = 0xe0
}
