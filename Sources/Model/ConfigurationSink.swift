/// Where a configuration source (a file, later Kubernetes, xDS, ...) delivers. A source knows nothing of what happens
/// next; calls come one at a time, in order, and never from a worker thread.
public protocol ConfigurationSink: Sendable {
    /// A valid configuration, to be used from now on; it also ends an earlier refusal. It may equal the running one.
    ///
    /// - Parameters:
    ///   - configuration: what to run. Fields that only a restart can change have kept their running values.
    ///   - restartNeeded: the fields whose new values were put aside, such as `workers`: each is a readiness reason.
    func apply(_ configuration: Configuration, restartNeeded: [String]) async

    /// The source has something that cannot be used. The running configuration stays; this is a readiness warning.
    ///
    /// - Parameters:
    ///   - problems: what is wrong with it.
    ///   - unixSeconds: when it was refused, seconds since 1970 UTC.
    func refused(_ problems: ConfigurationProblems, at unixSeconds: Int64) async
}
