import Logging
import Synchronization
import SystemPackage

/// Writes the process's log to standard error, one line a record, in text or JSON.
///
/// Called from the control side only: a stalled reader of standard error blocks the caller. The level is one for the
/// process, so that `POST /log-level` reaches every logger; a level set on a single `Logger` overrides it for that one.
public struct StderrLogHandler: LogHandler {
    /// How a record is written.
    public enum Format: String, Sendable, CaseIterable {
        /// `2026-11-22T13:00:00.123Z info apusd: message key=value`
        case text
        /// `{"time":"...","level":"info","logger":"apusd","message":"...","key":"value"}`
        case json
    }

    /// See `LogHandler`.
    public var metadata: Logger.Metadata = [:]
    /// See `LogHandler`.
    public var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let format: Format
    private let level: ProcessLogLevel
    private let output: FileDescriptor
    private var ownLevel: Logger.Level?

    private static let ownKeys: Set<String> = ["time", "level", "logger", "message"]

    /// A handler for the logger `label` whose level is `level`'s.
    public init(label: String, format: Format = .text, level: ProcessLogLevel) {
        self.init(label: label, format: format, level: level, output: .standardError)
    }

    init(label: String, format: Format, level: ProcessLogLevel, output: FileDescriptor) {
        self.label = label
        self.format = format
        self.level = level
        self.output = output
    }

    /// The logger's own level if one was set on it, else the process's.
    public var logLevel: Logger.Level {
        get { ownLevel ?? level.value }
        set { ownLevel = newValue }
    }

    /// See `LogHandler`.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// See `LogHandler`.
    public func log(event: LogEvent) {
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { $1 } }
        if let own = event.metadata { fields.merge(own) { $1 } }
        if let error = event.error { fields["error"] = "\(error)" }
        let time = WallClock.unixNanoseconds()
        let line = line(time: time, level: event.level, message: event.message.description, fields: fields)
        // Nowhere to report that the log cannot be written to.
        _ = try? output.writeAll(line)
    }

    func line(time: Int64, level: Logger.Level, message: String, fields: Logger.Metadata) -> [UInt8] {
        let fields = fields.sorted { $0.key < $1.key }
        switch format {
        case .text: return textLine(time: time, level: level, message: message, fields: fields)
        case .json: return jsonLine(time: time, level: level, message: message, fields: fields)
        }
    }

    private func textLine(
        time: Int64, level: Logger.Level, message: String, fields: [(key: String, value: Logger.Metadata.Value)]
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        Timestamp.append(unixNanoseconds: time, to: &bytes)
        bytes += " \(level) \(label): ".utf8
        // A line break from outside must not be able to forge a record.
        bytes += message.utf8.map { $0 < 0x20 ? UInt8(ascii: " ") : $0 }
        for (key, value) in fields {
            bytes += " \(key)=".utf8
            let text = "\(value)"
            if text.utf8.allSatisfy({ $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != 0x7f }), !text.isEmpty {
                bytes += text.utf8
            } else {
                JSONText.append(text, to: &bytes)
            }
        }
        bytes.append(UInt8(ascii: "\n"))
        return bytes
    }

    private func jsonLine(
        time: Int64, level: Logger.Level, message: String, fields: [(key: String, value: Logger.Metadata.Value)]
    ) -> [UInt8] {
        var text = JSONText()
        text.beginObject()
        text.field("time", Timestamp.milliseconds(unixNanoseconds: time))
        text.field("level", level.rawValue)
        text.field("logger", label)
        text.field("message", message)
        // A field of the caller's never replaces one of ours.
        for (key, value) in fields { text.field(named: Self.ownKeys.contains(key) ? key + "_" : key, "\(value)") }
        text.endObject()
        text.bytes.append(UInt8(ascii: "\n"))
        return text.bytes
    }
}

/// The log level of the process, changeable while it runs.
public final class ProcessLogLevel: Sendable {
    private let index: Atomic<Int>

    /// A level to share between the handlers of a process.
    public init(_ level: Logger.Level = .info) { index = Atomic(Self.index(of: level)) }

    /// The level now. Any thread.
    public var value: Logger.Level {
        get { Logger.Level.allCases[index.load(ordering: .relaxed)] }
        set { index.store(Self.index(of: newValue), ordering: .relaxed) }
    }

    private static func index(of level: Logger.Level) -> Int { Logger.Level.allCases.firstIndex(of: level) ?? 0 }
}
