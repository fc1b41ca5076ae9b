/// Error codes of RST_STREAM and GOAWAY (RFC 9113 7).
public enum HTTP2ErrorCode: UInt32, BitwiseCopyable, Sendable, CaseIterable {
    /// Nothing is wrong; something is wrong with the peer; with us.
    case noError = 0, protocolError, internalError
    /// What is wrong with the peer, more exactly.
    case flowControlError, settingsTimeout, streamClosed, frameSizeError
    /// The stream was not processed; is not wanted any more.
    case refusedStream, cancel
    /// The field coding is broken; a CONNECT's connection is; too much is asked for.
    case compressionError, connectError, enhanceYourCalm
    /// Other transports.
    case inadequateSecurity, http11Required
}
