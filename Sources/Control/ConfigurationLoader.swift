import Model

/// Turns the text of a configuration file into a `Configuration`. Pure: the environment is a value and nothing else is
/// asked. Any text gives a configuration or problems in bounded time and memory (`DocumentLimits`).
public struct ConfigurationLoader: Sendable {
    private let file: String
    private let environment: [String: String]

    /// A loader.
    ///
    /// - Parameters:
    ///   - file: the file's name in problems.
    ///   - environment: what `${NAME}` is replaced from.
    public init(file: String, environment: [String: String]) {
        self.file = file
        self.environment = environment
    }

    /// The configuration that `text` (YAML in UTF-8) describes; all of its problems when there are any.
    public func load(_ text: some Collection<UInt8>) throws(ConfigurationProblems) -> Configuration {
        let problems = ProblemCollector(file: file)
        let parser = DocumentParser(environment: environment, problems: problems)
        guard let root = parser.parse(text) else { throw problems.summary() }
        var reader = ConfigurationReader(problems: problems)
        let configuration = reader.read(Value(node: root, path: .root, problems: problems))
        guard problems.isEmpty else { throw problems.summary() }
        return configuration
    }

    /// The configuration that `text` describes; all of its problems when there are any.
    public func load(_ text: String) throws(ConfigurationProblems) -> Configuration {
        try load(Array(text.utf8))
    }
}
