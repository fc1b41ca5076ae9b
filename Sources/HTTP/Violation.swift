/// Why a peer's bytes were refused. The connection they came by cannot be used any further: where the next message begins
/// is not known.
public struct Violation: Error, BitwiseCopyable, Sendable, Equatable {
    /// What was wrong.
    public let kind: Kind
    /// The status to answer with: 400, 413, 414, 417, 431, 501 or 505 for a request, 502 for a response.
    public let status: Int
    /// Bytes from the start of the message to the place.
    public let offset: Int

    /// A refusal of `kind` at `offset`, by the decoder of that role.
    init(_ kind: Kind, at offset: Int, _ role: HTTP1Decoder.Role) {
        self.kind = kind
        self.offset = offset
        status = role == .request ? kind.requestStatus : 502
    }

    /// All reasons, for logs and counters.
    public enum Kind: UInt8, BitwiseCopyable, Sendable, CaseIterable {
        /// Bytes and lines.
        case bareCarriageReturn, bareLineFeed, controlCharacter, leadingWhitespace, obsoleteFold, leadingEmptyLines
        /// The start line.
        case malformedStartLine, invalidMethod, methodTooLong, invalidTarget, fragmentInTarget, malformedVersion
        /// The start line's meaning.
        case unsupportedVersion, http2Preface, malformedStatus, startLineTooLong
        /// Fields.
        case emptyName, invalidName, spaceBeforeColon, missingColon, headTooLarge, tooManyFields
        /// Whom the request is for.
        case missingHost, repeatedHost, invalidHost
        /// Where the body ends.
        case invalidLength, repeatedLength, lengthAndTransferEncoding, invalidTransferEncoding
        /// More of that.
        case unsupportedTransferEncoding, transferEncodingInHTTP10, bodyTooLarge, bodyForConnect
        /// Fields that belong to the connection.
        case connectionNamesFraming, tooManyConnectionOptions, unknownExpectation
        /// Chunks.
        case invalidChunkSize, invalidChunkExtension, chunkLineTooLong, missingChunkEnd, trailersTooLarge
        /// The other peer has said something unasked.
        case unexpectedResponse, unexpectedUpgrade, tooManyInterimResponses

        fileprivate var requestStatus: Int {
            switch self {
            case .bodyTooLarge: 413
            case .startLineTooLong: 414
            case .unknownExpectation: 417
            case .headTooLarge, .tooManyFields, .trailersTooLarge: 431
            case .methodTooLong, .unsupportedTransferEncoding: 501
            case .unsupportedVersion, .http2Preface: 505
            default: 400
            }
        }
    }
}
