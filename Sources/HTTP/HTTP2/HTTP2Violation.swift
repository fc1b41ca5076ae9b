/// Which rule or named limit the peer of an HTTP/2 connection has broken, and the code it was told.
public struct HTTP2Violation: Error, BitwiseCopyable, Sendable, Equatable {
    /// What was wrong.
    public let kind: Kind
    /// What was sent in GOAWAY or RST_STREAM.
    public let code: HTTP2ErrorCode

    /// What was wrong, with its code.
    public init(_ kind: Kind) {
        self.kind = kind
        code = kind.code
    }

    /// All reasons, for logs and counters.
    public enum Kind: UInt8, BitwiseCopyable, Sendable, CaseIterable {
        /// The beginning: not the preface, or no SETTINGS behind it.
        case badPreface, missingSettings
        /// Frames as such.
        case frameTooLarge, frameSize, padding, unexpectedFrame
        /// A header block that is interrupted, or that goes on without a beginning.
        case brokenHeaderBlock
        /// Streams that cannot have frames: 0, idle, of the wrong side, closed.
        case streamIdentifier, idleStream, closedStream
        /// Values out of range, windows overrun or overflown.
        case settingsValue, flowControl, windowIncrement, windowOverflow
        /// The field coding is broken.
        case compression
        /// Malformed messages (stream errors).
        case fieldName, fieldValue, connectionField, pseudoField, missingPseudoField
        /// More of them.
        case invalidAuthority, invalidPath, contentLength, unexpectedHeaders, dataBeforeHeaders, interimWithEnd
        /// Limits of messages (stream errors).
        case headTooLarge, tooManyFields, trailersTooLarge, bodyTooLarge, tooManyInterimResponses, tooManyStreams
        /// Floods.
        case resetFlood, continuationFlood, settingsFlood, pingFlood
        /// More floods.
        case emptyFrameFlood, ignoredFrameFlood, windowUpdateFlood, unreadAnswers

        fileprivate var code: HTTP2ErrorCode {
            switch self {
            case .frameTooLarge, .frameSize: .frameSizeError
            case .closedStream: .streamClosed
            case .flowControl, .windowOverflow: .flowControlError
            case .compression: .compressionError
            case .tooManyStreams: .refusedStream
            case .headTooLarge, .tooManyFields, .trailersTooLarge, .bodyTooLarge, .resetFlood, .continuationFlood,
                .settingsFlood, .pingFlood, .emptyFrameFlood, .ignoredFrameFlood, .windowUpdateFlood, .unreadAnswers,
                .tooManyInterimResponses:
                .enhanceYourCalm
            default: .protocolError
            }
        }
    }
}
