import FoundationEssentials

/// What the guard of this network namespace remembers over its restarts, beside the state of the installation.
public enum GuardMemory {
    private static let name = "forced"

    /// The word an operator has left; nil: none.
    public static func load() -> String? {
        guard let path = try? path(), let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
        return String(text.prefix { !$0.isWhitespace })
    }

    /// Leaves a word, or with nil takes it back.
    public static func save(_ word: String?) throws(InterceptionError) {
        let path = try path()
        do {
            if let word {
                try HostDirectory.make()
                try Data((word + "\n").utf8).write(to: URL(filePath: path), options: .atomic)
            } else if FileManager.default.fileExists(atPath: path) {
                try FileManager.default.removeItem(atPath: path)
            }
        } catch {
            throw .failed(step: "write \(path)", cause: "\(error)", leftBehind: [])
        }
    }

    private static func path() throws(InterceptionError) -> String { try HostDirectory.path(name) }
}
