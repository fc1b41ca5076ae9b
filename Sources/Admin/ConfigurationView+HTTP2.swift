import Model

extension ConfigurationView {
    static func http2Limits(_ limits: Configuration.HTTP2Limits) -> JSONValue {
        let connectionWindow: JSONValue? =
            limits.initialConnectionWindow > 0 ? .bytes(limits.initialConnectionWindow) : nil
        return [
            "maxConcurrentStreams": .int(limits.maxConcurrentStreams),
            "initialStreamWindow": .bytes(limits.initialStreamWindow), "initialConnectionWindow": connectionWindow,
            "trailerBytes": .bytes(limits.trailerBytes), "headerTableBytes": .bytes(limits.headerTableBytes),
            "continuationFrames": .int(limits.continuationFrames), "unreadAnswers": .int(limits.unreadAnswers),
            "resets": rate(limits.resets), "settings": rate(limits.settings), "pings": rate(limits.pings),
            "emptyFrames": rate(limits.emptyFrames), "ignoredFrames": rate(limits.ignoredFrames),
            "windowUpdates": rate(limits.windowUpdates),
        ]
    }

    private static func rate(_ rate: Configuration.HTTP2Limits.Rate) -> JSONValue {
        ["burst": .int(rate.burst), "perSecond": .int(rate.perSecond)]
    }
}
