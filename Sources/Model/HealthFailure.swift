/// Why an active health check has failed.
public enum HealthFailure: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    /// No connection came about; no answer in time.
    case connect, timeout
    /// The connection ended before the answer.
    case ended
    /// The answer breaks the protocol.
    case protocolError
    /// The answer has another status than those that pass.
    case status
    /// The gRPC health service says something else than SERVING; does not know the service.
    case notServing, unknownService

    /// The word in metrics and views.
    public var label: String {
        switch self {
        case .connect: "connect"
        case .timeout: "timeout"
        case .ended: "closed"
        case .protocolError: "protocol_error"
        case .status: "status"
        case .notServing: "not_serving"
        case .unknownService: "unknown_service"
        }
    }

    /// The cluster's counter of such failures.
    public var counter: ClusterCounter {
        switch self {
        case .connect: .checkConnect
        case .timeout: .checkTimeout
        case .ended: .checkClosed
        case .protocolError: .checkProtocolError
        case .status: .checkStatus
        case .notServing: .checkNotServing
        case .unknownService: .checkUnknownService
        }
    }
}
