import Dispatch
import Foundation
import Model

/// The configuration source that is a file: loads it at start, and again whenever it changes or `reload` asks.
///
/// What it finds goes to a `ConfigurationSink`: a valid configuration, less what only a restart can change, or the
/// problems of a bad one, which changes nothing. The same text twice in a row is delivered once, unless `reload` asks.
public actor FileSource {
    /// What the file said at start, with the overrides.
    public nonisolated let initial: Configuration

    private let path: String
    private let environment: [String: String]
    private let override: @Sendable (inout Configuration) -> Void
    // A reader that falls behind needs the latest few only: each makes it look at the file as it is then.
    private let (events, notify) = AsyncStream.makeStream(
        of: FileWatcher.Event.self, bufferingPolicy: .bufferingNewest(4))
    // Reading a large file takes seconds: not on the few threads that serve the admin API.
    private let queue = DispatchQueue(label: "apus.control.file")

    private var running: Configuration
    private var last: Contents
    private var isReloadRequested = false
    /// What a poll saw, to be read when the next one sees the same: a file in the middle of being written is not.
    private var polled: FileIdentity??

    /// A burst of changes (an editor's write, rename and chmod; a ConfigMap's dozen links) is read once, after it.
    private static let settling = Duration.milliseconds(75)

    private struct Contents: Sendable {
        var identity: FileIdentity?
        var digest: Int
    }

    /// Loads the file at `path`; throws its problems.
    ///
    /// - Parameters:
    ///   - path: the file, also its name in problems.
    ///   - environment: what `${NAME}` is replaced from.
    ///   - override: applied to each configuration, such as what the command line says over the file.
    public init(
        path: String, environment: [String: String] = ConfigurationFile.processEnvironment(),
        override: @escaping @Sendable (inout Configuration) -> Void = { _ in }
    ) throws(ConfigurationProblems) {
        let (contents, result) = Self.read(path, environment)
        var configuration = try result.get()
        override(&configuration)
        self.path = path
        self.environment = environment
        self.override = override
        initial = configuration
        running = configuration
        last = contents
    }

    /// Delivers to `sink` until the task is cancelled. Call it once.
    public func run(sink: any ConfigurationSink) async {
        FileWatcher.start(path: path, notify)
        // What happened between the loading at start and now.
        notify.yield(.changed)
        for await event in events { await look(event, sink) }
    }

    /// Asks for the file to be read and delivered, changed or not. Returns at once.
    public func reload() {
        isReloadRequested = true
        notify.yield(.changed)
    }

    private func look(_ event: FileWatcher.Event, _ sink: any ConfigurationSink) async {
        let isForced = isReloadRequested
        isReloadRequested = false
        if event == .changed, !isForced { try? await Task.sleep(for: Self.settling) }
        let identity = FileIdentity(path: path)
        guard isForced || identity != last.identity else { return }
        guard isForced || event == .changed || polled == .some(identity) else {
            polled = identity
            return
        }
        polled = nil
        await load(isForced: isForced, sink)
    }

    private func load(isForced: Bool, _ sink: any ConfigurationSink) async {
        let (path, environment) = (path, environment)
        let (contents, result) = await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: Self.read(path, environment)) }
        }
        let isSame = contents.digest == last.digest
        last = contents
        guard isForced || !isSame else { return }
        switch result {
        case .success(var configuration):
            override(&configuration)
            let reload = configuration.reload(over: running)
            running = reload.effective
            await sink.apply(reload.effective, restartNeeded: reload.restartNeeded)
        case .failure(let problems):
            await sink.refused(problems, at: Int64(Date().timeIntervalSince1970))
        }
    }

    /// Reads the file and what it says. The identity is from before: a change while reading shows in the next look.
    private static func read(
        _ path: String, _ environment: [String: String]
    ) -> (Contents, Result<Configuration, ConfigurationProblems>) {
        let identity = FileIdentity(path: path)
        do {
            let bytes = try ConfigurationFile.read(path: path)
            let loader = ConfigurationLoader(file: path, environment: environment)
            let result = Result { () throws(ConfigurationProblems) in try loader.load(bytes) }
            return (Contents(identity: identity, digest: bytes.hashValue), result)
        } catch {
            return (Contents(identity: identity, digest: 0), .failure(error))
        }
    }
}
