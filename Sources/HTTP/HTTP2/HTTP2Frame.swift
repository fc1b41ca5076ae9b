import Buffers

/// A frame's header (RFC 9113 4.1), and the numbers of the format.
struct HTTP2Frame: BitwiseCopyable {
    var length: Int
    var type: UInt8
    var flags: UInt8
    var stream: UInt32

    static let headerSize = 9
    /// SETTINGS_MAX_FRAME_SIZE before it is announced, which is the smallest one. We leave ours there.
    static let payloadMax = 16384
    static let windowAtStart = 65535
    static let windowMax = Int(Int32.max)

    enum Kind {
        static let data: UInt8 = 0
        static let headers: UInt8 = 1
        static let priority: UInt8 = 2
        static let resetStream: UInt8 = 3
        static let settings: UInt8 = 4
        static let pushPromise: UInt8 = 5
        static let ping: UInt8 = 6
        static let goAway: UInt8 = 7
        static let windowUpdate: UInt8 = 8
        static let continuation: UInt8 = 9
    }

    enum Flag {
        static let endStream: UInt8 = 1
        static let acknowledgement: UInt8 = 1
        static let endHeaders: UInt8 = 4
        static let padded: UInt8 = 8
        static let priority: UInt8 = 32
    }

    enum Setting {
        static let headerTableSize: UInt16 = 1
        static let enablePush: UInt16 = 2
        static let maxConcurrentStreams: UInt16 = 3
        static let initialWindowSize: UInt16 = 4
        static let maxFrameSize: UInt16 = 5
        static let maxHeaderListSize: UInt16 = 6
        static let enableConnectProtocol: UInt16 = 8
    }

    /// The header at the beginning of `input`, which has nine bytes at least.
    @inline(__always) init(_ input: Span<UInt8>) {
        let word = input.word(at: 0).byteSwapped
        length = Int(truncatingIfNeeded: word &>> 40)
        type = UInt8(truncatingIfNeeded: word &>> 32)
        flags = UInt8(truncatingIfNeeded: word &>> 24)
        stream = (UInt32(truncatingIfNeeded: word) &<< 8 | UInt32(input[8])) & 0x7fff_ffff
    }

    @inline(__always) func has(_ flag: UInt8) -> Bool { flags & flag != 0 }
    /// With the header.
    @inline(__always) var size: Int { length &+ Self.headerSize }
}

extension OutputBuffer {
    @inline(__always) mutating func appendFrame(_ length: Int, _ type: UInt8, _ flags: UInt8, _ stream: UInt32) {
        let place = unsafe room(16)
        let word =
            UInt64(truncatingIfNeeded: length) &<< 40 | UInt64(type) &<< 32 | UInt64(flags) &<< 24
            | UInt64(stream &>> 8)
        // In bounds: `room` has returned the start of sixteen bytes.
        unsafe place.storeBytes(of: word.bigEndian, as: UInt64.self)
        unsafe place.storeBytes(of: UInt8(truncatingIfNeeded: stream), toByteOffset: 8, as: UInt8.self)
        commit(HTTP2Frame.headerSize)
    }

    /// Mends the length of the frame whose header is at `index`.
    @inline(__always) mutating func setFrameLength(_ length: Int, at index: Int) {
        setByte(UInt8(truncatingIfNeeded: length &>> 16), at: index)
        setByte(UInt8(truncatingIfNeeded: length &>> 8), at: index &+ 1)
        setByte(UInt8(truncatingIfNeeded: length), at: index &+ 2)
    }

    /// Big endian.
    mutating func appendWord(_ word: UInt32) {
        for shift in [UInt32(24), 16, 8, 0] { append(UInt8(truncatingIfNeeded: word &>> shift)) }
    }

    mutating func appendSetting(_ name: UInt16, _ value: Int) {
        append(UInt8(truncatingIfNeeded: name &>> 8))
        append(UInt8(truncatingIfNeeded: name))
        appendWord(UInt32(truncatingIfNeeded: value))
    }
}

extension Span<UInt8> {
    /// Four bytes, big endian, that are there.
    @inline(__always) func bigEndianWord(at index: Int) -> UInt32 {
        precondition(index >= 0 && index &+ 4 <= count)
        return UInt32(truncatingIfNeeded: word(at: index)).byteSwapped
    }
}
