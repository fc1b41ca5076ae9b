import Testing

/// Words that do not belong into what others read: reminders, stubs, paths of somebody's machine.
struct WordTests {
    /// Split, so that this file does not find itself.
    private static let words = [
        "TO" + "DO", "FIX" + "ME", "X" + "XX", "not " + "implemented", "fatalError(\"un" + "impl", "try" + "! ",
        "/ho" + "me/", "/wo" + "rk/", "/tmp/w" + "t", "/Use" + "rs/",
    ]

    @Test func nothingIsLeftForLater() {
        for file in Project.files {
            for (number, line) in file.lines {
                for word in Self.words where line.contains(word) { Issue.record("\(file.path):\(number): \(word)") }
            }
        }
    }

    @Test func linesEndWithoutSpacesAndFilesWithALineBreak() {
        for file in Project.files where !file.path.hasSuffix(".txt") && !file.text.isEmpty {
            #expect(file.text.hasSuffix("\n"), "\(file.path): no line break at the end")
            for (number, line) in file.lines where line.hasSuffix(" ") {
                Issue.record("\(file.path):\(number): a space at the end")
            }
        }
    }
}
