/// A stream that is not closed (RFC 9113 5.1): a plain value in the table.
struct HTTP2Stream: BitwiseCopyable, Sendable {
    /// 0: a free slot.
    var id: UInt32 = 0
    var flags = Flags()
    var interimResponses: UInt8 = 0
    /// What the peer lets us send; below 0 after it has made its windows smaller.
    var sendWindow: Int32 = 0
    /// What we let the peer send.
    var receiveWindow: Int32 = 0
    /// Body bytes of frames that came, and were not released by the caller.
    var unreleased: UInt32 = 0
    /// Released, and not in a WINDOW_UPDATE yet.
    var unannounced: UInt32 = 0
    var tag: UInt64 = 0
    /// Of an announced length, what is still to come; -1 when none was announced.
    var lengthLeft: Int64 = -1

    struct Flags: OptionSet, BitwiseCopyable, Sendable {
        let rawValue: UInt8
        /// END_STREAM has come; was sent.
        static let remoteEnded = Flags(rawValue: 1)
        static let localEnded = Flags(rawValue: 2)
        /// A head that is not interim has come; was sent.
        static let headReceived = Flags(rawValue: 4)
        static let headSent = Flags(rawValue: 8)
        /// We have asked with HEAD, with CONNECT.
        static let isHead = Flags(rawValue: 16)
        static let isConnect = Flags(rawValue: 32)
        /// It stays when both sides have ended, until `reset`.
        static let isKept = Flags(rawValue: 64)
    }

    @inline(__always) func has(_ flag: Flags) -> Bool { flags.rawValue & flag.rawValue != 0 }
    @inline(__always) mutating func set(_ flag: Flags) { flags = Flags(rawValue: flags.rawValue | flag.rawValue) }
    /// Both sides have ended.
    @inline(__always) var hasEnded: Bool { flags.rawValue & 3 == 3 }
    /// ... and nobody keeps it.
    @inline(__always) var isClosed: Bool { flags.rawValue & 67 == 3 }
}
