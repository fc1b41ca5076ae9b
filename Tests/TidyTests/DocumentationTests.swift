import Control
import Testing

/// What the documentation says is there, is there.
struct DocumentationTests {
    private static let documents = Project.files(ending: ".md")

    @Test func linksLeadSomewhere() {
        for document in Self.documents {
            for match in document.text.matches(of: /\]\(([^)#\s]*)(#[^)\s]*)?\)/) {
                let target = String(match.output.1)
                if target.hasPrefix("http") { continue }
                let path = target.isEmpty ? document.path : Self.resolve(target, from: document.folder)
                #expect(Project.exists(path), "\(document.path): link to \(target): not there")
                guard let anchor = match.output.2?.dropFirst(), path.hasSuffix(".md") else { continue }
                let headings = (Project.files.first { $0.path == path }).map(Self.anchors) ?? []
                #expect(
                    headings.contains(String(anchor)), "\(document.path): link to \(path)#\(anchor): no such heading")
            }
        }
    }

    /// A merge may empty a page without anybody's noticing: the other tests pass on what is not there.
    @Test func noPageIsEmptyAndTheReadmeStartsWithTwoCommands() throws {
        for document in Self.documents { #expect(document.lines.count > 10, "\(document.path): nearly empty") }
        let readme = try Project.text("README.md")
        #expect(readme.contains("\nmake demo ") && readme.contains("\nmake test "))
    }

    @Test func makeTargetsExist() throws {
        let targets = Set(try Project.text("Makefile").matches(of: /(?m)^([a-z]+):/).map { String($0.output.1) })
        for document in Self.documents {
            for match in document.text.matches(of: /(?m)(?:^|`)(?:sudo )?make ([a-z]+)/) {
                #expect(targets.contains(String(match.output.1)), "\(document.path): make \(match.output.1)")
            }
        }
    }

    @Test func filesInCommandsExist() {
        for document in Self.documents {
            for match in document.text.matches(
                of: /(?:tools|config|k8s|Sources|Tests|docs)\/[A-Za-z0-9_.\/+-]*[A-Za-z0-9]/)
            {
                let path = String(match.output)
                // A pattern (`Configuration*.swift`) is no path, and other lines go on with one.
                let next = match.range.upperBound < document.text.endIndex ? document.text[match.range.upperBound] : " "
                if next == "*" || next == "<" || Self.isPartOfALongerPath(match.range.lowerBound, document.text) {
                    continue
                }
                #expect(Project.exists(path), "\(document.path): \(path): not there")
            }
        }
    }

    @Test func subcommandsExist() throws {
        let sources = Project.files.filter { $0.folder == "Sources/apusctl" }
        let names = Set(
            sources.flatMap { $0.text.matches(of: /struct ([A-Z]\w*): AsyncParsableCommand/) }.map {
                $0.output.1.lowercased()
            })
        try #require(names.contains("explain"))
        for document in Self.documents {
            for match in document.text.matches(of: /apusctl ([a-z]+)(?: ([a-z]+)(?= |`|$))?/) {
                let first = String(match.output.1)
                #expect(names.contains(first), "\(document.path): apusctl \(first)")
                guard ["redirect", "config", "failover"].contains(first), let second = match.output.2 else { continue }
                #expect(names.contains(String(second)), "\(document.path): apusctl \(first) \(second)")
            }
        }
    }

    @Test func everyMetricIsDocumentedAndEveryDocumentedMetricExists() throws {
        let sources = Project.files.filter {
            $0.path.hasPrefix("Sources/Admin/Metrics") || $0.path == "Sources/Failover/GuardMetrics.swift"
        }
        let names = Set(sources.flatMap { $0.text.matches(of: /"((?:apus|process)_[a-z_]+[a-z])"/) }.map(\.output.1))
        try #require(names.count > 20)
        let page = try Project.text("docs/operations/observe.md")
        let documented = Set(page.matches(of: /`((?:apus|process)_[a-z_]+[a-z])`/).map(\.output.1))
        #expect(names == documented, "differences: \(names.symmetricDifference(documented).sorted())")
    }

    @Test(arguments: ["EndReason", "RequestFlag"])
    func everyResponseFlagIsDocumented(type: String) throws {
        let source = try Project.text("Sources/Model/\(type).swift")
        let page = try Project.text("docs/operations/observe.md")
        let cases = source.matches(of: /case \.(\w+): "([^"]+)"/)
        let byCase = Dictionary(grouping: cases, by: \.output.1).mapValues { $0.map { String($0.output.2) } }
        try #require(byCase.count > 10)
        for (name, words) in byCase {
            // The label comes first in the source, then the flag.
            let row = "| `\(words.last ?? "")` | `\(words.first ?? "")` |"
            #expect(page.contains(row), "\(name): expected a row \(row)")
        }
    }

    /// What an operator may start from must load as it is.
    @Test func configurationsLoad() throws {
        let environment = ["NODE_NAME": "node-a", "POD_CIDR": "10.1.0.0/24", "POD_CIDR_2": "fd01::/64"]
        let files = Project.files(ending: ".yaml").filter { $0.folder == "config" }
        #expect(files.count >= 4)
        for file in files {
            #expect(throws: Never.self) {
                try ConfigurationLoader(file: file.path, environment: environment).load(file.text)
            }
        }
    }

    // MARK: - text

    private static func resolve(_ target: String, from folder: String) -> String {
        var parts = folder.split(separator: "/")
        for part in target.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return parts.joined(separator: "/")
    }

    /// As GitHub makes them: lower case, letters, digits, `-` and `_`, a dash for each space.
    private static func anchors(_ document: Project.File) -> [String] {
        document.lines.filter { $0.text.hasPrefix("#") }.map { _, line in
            let title = line.drop { $0 == "#" }.drop { $0 == " " }.lowercased()
            return String(
                title.compactMap { character -> Character? in
                    if character == " " { return "-" }
                    return character.isLetter || character.isNumber || "-_".contains(character) ? character : nil
                })
        }
    }

    private static func isPartOfALongerPath(_ start: String.Index, _ text: String) -> Bool {
        guard start > text.startIndex else { return false }
        let before = text[text.index(before: start)]
        return before == "/" || before == "." || before.isLetter || before.isNumber || before == "-"
    }
}
