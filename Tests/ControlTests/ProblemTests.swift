import Model
import Testing

@testable import Control

/// What an operator reads when a file is wrong: the exact place, field and text of every problem, all at once.
struct ProblemTests {
    static let environment = ["NODE_NAME": "node-a"]

    static func problems(_ document: String) -> [String] {
        do {
            _ = try ConfigurationLoader(file: "f", environment: environment).load(document)
            return []
        } catch {
            return error.description.split(separator: "\n").map { String($0.dropFirst(2)) }
        }
    }

    @Test(arguments: try ProblemCase.all()) func saysExactlyThis(_ problem: ProblemCase) {
        #expect(!problem.expected.isEmpty, "the case expects nothing")
        #expect(Self.problems(problem.document) == problem.expected)
    }
}
