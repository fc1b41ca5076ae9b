import Model

/// Gathers the problems of one document while its parts are read, so that all are reported at once.
///
/// One reader fills it on one thread; it never leaves `ConfigurationLoader.load`.
final class ProblemCollector {
    private let file: String
    private var problems: [ConfigurationProblem] = []
    private var omittedCount = 0

    // More than are listed are kept, because they are found section by section and listed by line.
    private static let keptMax = 50 * DocumentLimits.problemsListedMax

    init(file: String) { self.file = file }

    var isEmpty: Bool { problems.isEmpty }

    func add(_ message: String, at position: Position, path: String = "") {
        guard problems.count < Self.keptMax else {
            omittedCount += 1
            return
        }
        let problem = ConfigurationProblem(
            file: file, line: position.line, column: position.column, path: path, message: message)
        problems.append(problem)
    }

    /// Where another part of the document is, for messages that name both places.
    func place(_ position: Position) -> String { "\(file):\(position.line):\(position.column)" }

    /// What was found, in document order without repetitions (an alias brings the same problem once per use).
    func summary() -> ConfigurationProblems {
        let sorted = problems.sorted { ($0.line, $0.column, $0.path) < ($1.line, $1.column, $1.path) }
        var unique: [ConfigurationProblem] = []
        for problem in sorted where problem != unique.last { unique.append(problem) }
        let listed = Array(unique.prefix(DocumentLimits.problemsListedMax))
        return ConfigurationProblems(listed, omittedCount: unique.count - listed.count + omittedCount)
    }
}
