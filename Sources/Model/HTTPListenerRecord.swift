/// How HTTP is read and routed at one place (a listener, an entry of a pod's table), as workers see it. Times are
/// nanoseconds.
public struct HTTPListenerRecord: Sendable, BitwiseCopyable, Equatable {
    /// Index into `Snapshot.routeTables` and so into `RouteTables`.
    public var routeTable: Int32
    /// In `Snapshot.filters`; they come before those of the rule.
    public var filters: IndexRange
    /// Where connections come from.
    public var direction: ConnectionDirection
    /// `http1`, `http` or `auto`.
    public var protocolKind: Configuration.TrafficProtocol
    /// What is done with `x-request-id`. Pods: outbound `keep`, inbound `off`.
    public var requestId: Configuration.RequestIdentity
    /// What is done with `x-forwarded-for`. Pods: `off`, the source address is real.
    public var forwardedFor: Configuration.ForwardedFor
    /// How many of the last entries of `x-forwarded-for` were written by proxies of ours.
    public var trustedHops: Int
    /// See `Configuration.HTTPLimits`.
    public var headerBytes, headerCount, requestTargetBytes, retryBodyBytes: Int
    /// See `Configuration.HTTPLimits`.
    public var headerTimeout, keepAliveTimeout, streamIdleTimeout: Int64
    /// See `Configuration.HTTPLimits`; 0: none.
    public var maxConnectionAge: Int64
    /// Index into `Snapshot.http2Limits`.
    public var http2: Int32 = 0

    init(
        routeTable: Int32, filters: IndexRange, direction: ConnectionDirection,
        protocolKind: Configuration.TrafficProtocol, limits: Configuration.HTTPLimits
    ) {
        self.routeTable = routeTable
        self.filters = filters
        self.direction = direction
        self.protocolKind = protocolKind
        requestId = direction == .outbound ? .keep : .off
        forwardedFor = .off
        trustedHops = 0
        headerBytes = limits.headerBytes
        headerCount = limits.headerCount
        requestTargetBytes = limits.requestTargetBytes
        retryBodyBytes = limits.retryBodyBytes
        headerTimeout = limits.headerTimeout.nanoseconds
        keepAliveTimeout = limits.keepAliveTimeout.nanoseconds
        streamIdleTimeout = limits.streamIdleTimeout.nanoseconds
        maxConnectionAge = limits.maxConnectionAge?.nanoseconds ?? 0
    }
}
