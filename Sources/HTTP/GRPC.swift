/// What a proxy has to know of gRPC (its "gRPC over HTTP2" document): whether a request is a call, how long its caller
/// waits, and the status that is in the trailers, or in a head without a body.
public enum GRPCStatus: Int, BitwiseCopyable, Sendable, CaseIterable {
    /// In the order of their numbers.
    case ok, cancelled, unknown, invalidArgument, deadlineExceeded, notFound, alreadyExists, permissionDenied
    /// More of them.
    case resourceExhausted, failedPrecondition, aborted, outOfRange, unimplemented, internalError, unavailable
    /// The last two.
    case dataLoss, unauthenticated

    /// What a client library makes of a response that has this status and is no call's.
    public init(httpStatus status: Int) {
        self =
            switch status {
            case 400: .internalError
            case 401: .unauthenticated
            case 403: .permissionDenied
            case 404: .unimplemented
            case 429, 502, 503: .unavailable
            case 504: .deadlineExceeded
            default: .unknown
            }
    }

    /// What the same trouble is called in HTTP: for whoever judges an endpoint by its answers.
    public var httpStatus: Int {
        switch self {
        case .ok: 200
        case .unavailable: 503
        case .deadlineExceeded: 504
        case .unknown, .internalError, .dataLoss: 500
        case .unimplemented: 501
        case .resourceExhausted: 429
        case .cancelled: 499
        case .unauthenticated: 401
        case .permissionDenied: 403
        case .notFound: 404
        case .alreadyExists, .aborted: 409
        case .invalidArgument, .failedPrecondition, .outOfRange: 400
        }
    }
}

extension MessageHead {
    /// Whether it is a call: `content-type: application/grpc`, with a suffix (`+proto`) or parameters, or without.
    public var isGRPC: Bool {
        guard let value = value(.contentType), value.count >= 16 else { return false }
        let text = bytes(value)
        let name: StaticString = "application/grpc"
        // Static text lives for ever.
        let expected = unsafe Span<UInt8>(_unsafeStart: name.utf8Start, count: 16)
        for index in 0..<16 where text[index] | 0x20 != expected[index] | 0x20 { return false }
        // Not application/grpc-web.
        return text.count == 16 || text[16] == UInt8(ascii: "+") || text[16] == UInt8(ascii: ";")
            || text[16] == UInt8(ascii: " ")
    }

    /// `grpc-status`, 0 to 16; nil: there is none, or one that nobody knows.
    public var grpcStatus: Int? {
        guard let value = value(.grpcStatus), value.count >= 1, value.count <= 2 else { return nil }
        let text = bytes(value)
        var status = 0
        for index in text.indices {
            guard text[index].isDigit else { return nil }
            status = status * 10 + Int(text[index] - 0x30)
        }
        return status <= 16 ? status : nil
    }

    /// `grpc-timeout` in nanoseconds: at most eight digits and a unit; nil: there is none, or it is none.
    public var grpcTimeout: Int64? {
        guard let value = value(.grpcTimeout), value.count >= 2, value.count <= 9 else { return nil }
        let text = bytes(value)
        var count: Int64 = 0
        for index in 0..<(text.count - 1) {
            guard text[index].isDigit else { return nil }
            count = count * 10 + Int64(text[index] - 0x30)
        }
        let unit: Int64
        switch text[text.count - 1] {
        case UInt8(ascii: "H"): unit = 3_600_000_000_000
        case UInt8(ascii: "M"): unit = 60_000_000_000
        case UInt8(ascii: "S"): unit = 1_000_000_000
        case UInt8(ascii: "m"): unit = 1_000_000
        case UInt8(ascii: "u"): unit = 1_000
        case UInt8(ascii: "n"): unit = 1
        default: return nil
        }
        let (product, overflow) = count.multipliedReportingOverflow(by: unit)
        return overflow ? .max / 2 : product
    }
}
