import HTTP
import Model

extension HTTP2Limits {
    init(_ settings: HTTPListenerRecord, _ limits: Configuration.HTTP2Limits) {
        self.init()
        headerBytes = settings.headerBytes
        headerCount = settings.headerCount
        concurrentStreams = limits.maxConcurrentStreams
        streamWindow = limits.initialStreamWindow
        // A stream that nobody reads must not use up what the others need. What is held counts for its pod's limit.
        let all = concurrentStreams * streamWindow
        connectionWindow = min(
            limits.initialConnectionWindow > 0 ? limits.initialConnectionWindow : all, Self.windowMax)
        trailerBytes = limits.trailerBytes
        headerTableBytes = limits.headerTableBytes
        continuationFrames = limits.continuationFrames
        unreadAnswers = limits.unreadAnswers
        resets = Rate(limits.resets)
        self.settings = Rate(limits.settings)
        pings = Rate(limits.pings)
        emptyFrames = Rate(limits.emptyFrames)
        ignoredFrames = Rate(limits.ignoredFrames)
        windowUpdates = Rate(limits.windowUpdates)
    }

    /// RFC 9113 6.9.1.
    private static var windowMax: Int { Int(Int32.max) }
}

extension HTTP2Limits.Rate {
    fileprivate init(_ rate: Configuration.HTTP2Limits.Rate) {
        self.init(burst: rate.burst, perSecond: rate.perSecond)
    }
}
