import Model

/// `limits.http2` of the process and of listeners.
extension ConfigurationReader {
    private typealias RatePath = WritableKeyPath<Configuration.HTTP2Limits, Configuration.HTTP2Limits.Rate>

    private static var rateKeys: [(String, RatePath)] {
        [
            ("resets", \.resets), ("settings", \.settings), ("pings", \.pings), ("emptyFrames", \.emptyFrames),
            ("ignoredFrames", \.ignoredFrames), ("windowUpdates", \.windowUpdates),
        ]
    }

    /// What is left out is as in `limits`.
    func readHTTP2Limits(_ value: Value, over limits: Configuration.HTTP2Limits) -> Configuration.HTTP2Limits {
        let keys = [
            "maxConcurrentStreams", "initialStreamWindow", "initialConnectionWindow", "trailerBytes",
            "headerTableBytes", "continuationFrames", "unreadAnswers",
        ]
        guard let fields = value.fields(keys + Self.rateKeys.map(\.0)) else { return limits }
        var limits = limits
        if let count = fields["maxConcurrentStreams"]?.integer(1...10_000) { limits.maxConcurrentStreams = count }
        if let bytes = fields["initialStreamWindow"]?.size(64 << 10...16 << 20) { limits.initialStreamWindow = bytes }
        if let value = fields["initialConnectionWindow"], let bytes = value.size(64 << 10...1 << 30) {
            limits.initialConnectionWindow = bytes
            if bytes < limits.initialStreamWindow {
                value.fail("is less than initialStreamWindow, which one stream alone may have, expected more")
            }
        } else if limits.initialConnectionWindow > 0 {
            limits.initialConnectionWindow = max(limits.initialConnectionWindow, limits.initialStreamWindow)
        }
        if let bytes = fields["trailerBytes"]?.size(1 << 10...128 << 10) { limits.trailerBytes = bytes }
        if let bytes = fields["headerTableBytes"]?.size(0...32 << 10) { limits.headerTableBytes = bytes }
        if let count = fields["continuationFrames"]?.integer(1...1000) { limits.continuationFrames = count }
        if let count = fields["unreadAnswers"]?.integer(1...1_000_000) { limits.unreadAnswers = count }
        for (key, path) in Self.rateKeys {
            if let value = fields[key] { readRate(value, &limits[keyPath: path]) }
        }
        return limits
    }

    private func readRate(_ value: Value, _ rate: inout Configuration.HTTP2Limits.Rate) {
        guard let fields = value.fields(["burst", "perSecond"]) else { return }
        if let count = fields["burst"]?.integer(1...1_000_000) { rate.burst = count }
        if let count = fields["perSecond"]?.integer(1...1_000_000) { rate.perSecond = count }
    }
}
