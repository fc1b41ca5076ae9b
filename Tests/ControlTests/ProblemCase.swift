import Foundation
import Testing

/// One case of `Problems/*.txt`: a document and the exact problems it must give. The files read as
/// `---- name`, the document, `====`, then a line per problem without the file's name.
struct ProblemCase: CustomTestStringConvertible, Sendable {
    let file: String
    let name: String
    let document: String
    let expected: [String]

    var testDescription: String { "\(file): \(name)" }

    static let directory = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Problems")

    static func all() throws -> [ProblemCase] {
        let files = try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
        return try files.filter { $0.hasSuffix(".txt") }.flatMap { file in
            let text = try String(contentsOf: directory.appending(path: file), encoding: .utf8)
            return text.split(separator: "---- ").map { parse(String($0), file: file) }
        }
    }

    private static func parse(_ text: String, file: String) -> ProblemCase {
        let halves = text.components(separatedBy: "====\n")
        let lines = halves[0].split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
        return ProblemCase(
            file: file, name: String(lines[0]), document: lines.count > 1 ? String(lines[1]) : "",
            expected: halves.count > 1 ? halves[1].split(separator: "\n").map(String.init) : [])
    }
}
