import Model

/// `limits` of the process and of listeners.
extension ConfigurationReader {
    private static let httpKeys = [
        "headerBytes", "headerCount", "requestTargetBytes", "headerTimeout", "keepAliveTimeout", "streamIdleTimeout",
        "retryBodyBytes", "maxConnectionAge", "http2",
    ]

    mutating func readLimits(_ value: Value) {
        guard let fields = value.fields(["memory"] + Self.httpKeys) else { return }
        if let bytes = fields["memory"]?.size() { configuration.limits.memoryBytesMax = bytes }
        configuration.limits.http = readHTTPLimits(fields)
    }

    /// A listener's own; what it leaves out is as for the process.
    func readListenerLimits(_ value: Value) -> Configuration.HTTPLimits? {
        value.fields(Self.httpKeys).map(readHTTPLimits)
    }

    private func readHTTPLimits(_ fields: Fields) -> Configuration.HTTPLimits {
        var http = configuration.limits.http
        if let bytes = fields["headerBytes"]?.size(1 << 10...128 << 10) { http.headerBytes = bytes }
        if let count = fields["headerCount"]?.integer(1...10_000) { http.headerCount = count }
        // A target is a part of its head.
        http.requestTargetBytes = min(http.requestTargetBytes, http.headerBytes)
        if let value = fields["requestTargetBytes"], let bytes = value.size(256...1 << 20) {
            if bytes > http.headerBytes { value.fail("is more than headerBytes, of which it is a part, expected less") }
            http.requestTargetBytes = bytes
        }
        if let timeout = fields["headerTimeout"]?.duration() { http.headerTimeout = timeout }
        if let timeout = fields["keepAliveTimeout"]?.duration() { http.keepAliveTimeout = timeout }
        if let timeout = fields["streamIdleTimeout"]?.duration(Value.idleTimeouts) { http.streamIdleTimeout = timeout }
        if let bytes = fields["retryBodyBytes"]?.size(0...16 << 20) { http.retryBodyBytes = bytes }
        if let age = fields["maxConnectionAge"]?.duration(Value.idleTimeouts) { http.maxConnectionAge = age }
        if let value = fields["http2"] { http.http2 = readHTTP2Limits(value, over: http.http2) }
        return http
    }
}
