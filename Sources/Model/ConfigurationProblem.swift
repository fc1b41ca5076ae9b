/// One thing that is wrong in a configuration, with the place to look at.
public struct ConfigurationProblem: Error, Sendable, Equatable {
    /// The file's name as the operator gave it (or another source's name for where it came from).
    public var file: String
    /// Line, from 1.
    public var line: Int
    /// Column in characters, from 1.
    public var column: Int
    /// The field, such as `pods[0].outbound[1].cluster`; empty when the problem is the document itself.
    public var path: String
    /// What is wrong and what was expected.
    public var message: String

    /// A problem.
    public init(file: String, line: Int, column: Int, path: String, message: String) {
        self.file = file
        self.line = line
        self.column = column
        self.path = path
        self.message = message
    }
}

extension ConfigurationProblem: CustomStringConvertible {
    /// `file:line:column: path.to.field: what is wrong, what was expected`.
    public var description: String {
        let place = "\(file):\(line):\(column): "
        return path.isEmpty ? place + message : place + path + ": " + message
    }
}

/// Why a configuration was refused: every problem in document order, up to a limit.
public struct ConfigurationProblems: Error, Sendable, Equatable {
    /// The first problems, by line and column. Never empty.
    public var problems: [ConfigurationProblem]
    /// How many more there are.
    public var omittedCount: Int

    /// Problems; `omittedCount` more are not listed.
    public init(_ problems: [ConfigurationProblem], omittedCount: Int = 0) {
        self.problems = problems
        self.omittedCount = omittedCount
    }

    /// Problems found in all.
    public var count: Int { problems.count + omittedCount }
}

extension ConfigurationProblems: CustomStringConvertible {
    /// One problem a line.
    public var description: String {
        var lines = problems.map(\.description)
        if omittedCount > 0 { lines.append("and \(omittedCount) more") }
        return lines.joined(separator: "\n")
    }
}
