import Testing

/// Files and functions stay small. A ratchet: the exceptions may shrink, and no new one is added without a reason.
struct SizeTests {
    private static let fileLinesMax = 400
    private static let functionLinesMax = 70

    /// Files that may be longer, with their number of lines.
    private static let longFiles: [String: Int] = [:]
    /// Functions that may be longer, by `path: signature`'s first words.
    private static let longFunctions: [String: Int] = [:]

    @Test func filesAreShort() {
        for file in Project.files(ending: ".swift") {
            let count = file.lines.count - 1
            let limit = Self.longFiles[file.path] ?? Self.fileLinesMax
            #expect(count <= limit, "\(file.path): \(count) lines: look for the second thing in it")
        }
    }

    @Test func functionsAreShort() {
        for file in Project.files(ending: ".swift") {
            for function in Self.functions(file) {
                let limit = Self.longFunctions["\(file.path): \(function.name)"] ?? Self.functionLinesMax
                #expect(
                    function.lines <= limit,
                    "\(file.path): \(function.name): \(function.lines) lines: name a step of it")
            }
        }
    }

    /// Functions and initialisers. The format is checked elsewhere, so a body ends at the first line that is indented
    /// as its declaration is and begins with a brace.
    private static func functions(_ file: Project.File) -> [(name: String, lines: Int)] {
        var open: [(indentation: Int, start: Int, name: String)] = []
        var found: [(String, Int)] = []
        for (number, line) in file.lines {
            let indentation = line.prefix { $0 == " " }.count
            let text = line.dropFirst(indentation)
            if let last = open.last, last.indentation == indentation, text.hasPrefix("}") {
                open.removeLast()
                found.append((last.name, number - last.start + 1))
            }
            let words = text.split(separator: " ")
            guard let keyword = words.firstIndex(where: { $0 == "func" || $0.hasPrefix("init(") || $0 == "deinit" }),
                words[..<keyword].allSatisfy({ $0.allSatisfy { $0.isLetter || "@()".contains($0) } })
            else { continue }
            // One line holds all of it, or it is a requirement of a protocol.
            if text.hasSuffix("}") || !(text.hasSuffix("{") || text.hasSuffix("(")) { continue }
            open.append((indentation, number, words[keyword...].prefix(2).joined(separator: " ")))
        }
        return found
    }

    @Test func theCounterCounts() {
        let long = "struct S {\n    func long() {\n" + String(repeating: "        work()\n", count: 80) + "    }\n}\n"
        let counted = Self.functions(Project.File(path: "S.swift", text: long))
        #expect(counted.map(\.lines) == [82])
    }
}
