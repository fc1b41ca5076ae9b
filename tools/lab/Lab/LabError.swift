import Glibc

/// Why something in the lab did not work: `what: subject: cause`.
public struct LabError: Error, CustomStringConvertible {
    /// The whole sentence.
    public let description: String
    /// The system's error number, or 0 when the failure is not a system call's.
    public let code: Int32

    /// A failure that no system call reported.
    public init(_ text: String) {
        description = text
        code = 0
    }

    /// A failed system call; `code` is a positive errno.
    public init(_ text: String, code: Int32) {
        // Sound: strerror returns a valid string for any number, copied before another call can change it.
        description = unsafe "\(text): \(String(cString: strerror(code)))"
        self.code = code
    }

    /// Whether the peer refused (nobody listens, or a rule rejects).
    public var isRefused: Bool { code == ECONNREFUSED }

    /// Whether the connection was reset.
    public var isReset: Bool { code == ECONNRESET || code == EPIPE }

    /// Whether the call's time ran out.
    public var isTimeout: Bool { code == EAGAIN || code == EINPROGRESS || code == ETIMEDOUT }
}

/// The non-negative result of a shim call, or its error.
@discardableResult
func checked(_ result: Int32, _ text: @autoclosure () -> String) throws(LabError) -> Int32 {
    guard result >= 0 else { throw LabError(text(), code: -result) }
    return result
}
