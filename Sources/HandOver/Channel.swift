import Syscalls

/// Frames over a Unix socket between two processes of one user.
struct Channel: ~Copyable {
    private let socket: LocalSocket

    /// A peer that says nothing for this long is taken for gone, unless told otherwise.
    static let patience: Int64 = 10_000

    /// Throws `accessDenied` when the other process runs as another user (root may talk to all).
    init(_ socket: consuming LocalSocket, user: UInt32) throws(Errno) {
        let other = try socket.peerUser()
        guard other == user || other == 0 else { throw .accessDenied }
        try socket.setTimeouts(milliseconds: Self.patience)
        self.socket = socket
    }

    /// How long a call may wait for the peer from now on.
    func setPatience(milliseconds: Int64) throws(Errno) { try socket.setTimeouts(milliseconds: milliseconds) }

    /// Sends a frame with copies of `descriptors`, at most `LocalSocket.descriptorsMax`.
    func send(_ frame: Frame, copying descriptors: [Int32] = []) throws(Errno) {
        // In one piece: an answer of a few kilobytes has arrived, or it has not.
        try socket.send(frame.header + frame.text, descriptors: descriptors)
        if !frame.bytes.isEmpty { try socket.send(frame.bytes) }
    }

    /// Receives the next frame.
    func receive() throws -> Frame {
        var descriptors: [Descriptor.Parcel] = []
        guard let header = try socket.receive(exactly: Frame.headerSize, into: &descriptors) else {
            throw Frame.Problem.closed
        }
        let (kind, textCount, bytesCount) = try Frame.read(header: header)
        var frame = Frame(kind: kind, text: try part(textCount, &descriptors))
        frame.bytes = try part(bytesCount, &descriptors)
        frame.descriptors = descriptors
        return frame
    }

    private func part(_ count: Int, _ descriptors: inout [Descriptor.Parcel]) throws -> [UInt8] {
        guard count > 0 else { return [] }
        guard let bytes = try socket.receive(exactly: count, into: &descriptors) else { throw Frame.Problem.closed }
        return bytes
    }

    /// Receives a frame of this kind; a refusal is thrown with its reason.
    func receive(_ kind: Frame.Kind) throws -> Frame {
        let frame = try receive()
        if frame.kind == .refusal { throw HandOverRefused(reason: try frame.message(Refusal.self).reason) }
        guard frame.kind == kind else { throw Frame.Problem.malformed("\(frame.kind) where \(kind) was expected") }
        return frame
    }

    /// From here on the peer's sends fail; what it has sent can still be received.
    func shutdown() { socket.shutdown() }
}

/// The running process does not hand over.
public struct HandOverRefused: Error, CustomStringConvertible {
    /// Why, in its words.
    public let reason: String

    /// `the running apusd does not hand over: ...`
    public var description: String { "the running apusd does not hand over: \(reason)" }
}
