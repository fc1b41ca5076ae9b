/// A request as the access log takes it out of a `RequestRing`: the record and the peers' texts, which may hold any
/// bytes. Meant to be used again for entry after entry: it keeps its memory.
public struct RequestLogEntry: Sendable {
    /// The record.
    public var record = RequestRecord()
    /// All texts, one after the other.
    var bytes: [UInt8] = []
    /// Where each text ends.
    var ends = RequestTextEnds()

    /// An empty entry.
    public init() {}

    /// The request's method; empty where none was understood.
    public var method: ArraySlice<UInt8> { bytes[..<Int(ends.method)] }
    /// Host and port it was for.
    public var authority: ArraySlice<UInt8> { bytes[Int(ends.method)..<Int(ends.authority)] }
    /// Path and query, as the client sent them; cut at `RequestRing.pathBytesMax`.
    public var path: ArraySlice<UInt8> { bytes[Int(ends.authority)..<Int(ends.path)] }
    /// `x-request-id`.
    public var requestID: ArraySlice<UInt8> { bytes[Int(ends.path)..<Int(ends.requestID)] }
    /// Which rule of the protocol was broken, or another word on the flags.
    public var detail: ArraySlice<UInt8> { bytes[Int(ends.requestID)..<Int(ends.detail)] }
}

/// Offsets from the first text's beginning.
struct RequestTextEnds: BitwiseCopyable, Sendable {
    var method: UInt16 = 0
    var authority: UInt16 = 0
    var path: UInt16 = 0
    var requestID: UInt16 = 0
    var detail: UInt16 = 0
}
