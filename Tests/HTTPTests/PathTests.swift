import HTTP
import HTTPChecks
import Testing

/// One spelling for each path.
struct PathTests {
    @Test(arguments: [
        ("/", "/"), ("/a/b", "/a/b"), ("/a?b/../c%zz%00", "/a?b/../c%zz%00"), ("/a/", "/a/"),
        ("/%61%2Db", "/a-b"), ("/%7e%5F%2e", "/~_."), ("/a%2fb", "/a%2fb"), ("/a%2Fb", "/a%2Fb"), ("/%20", "/%20"),
        ("/%25%32%65", "/%252e"), ("/%252e%252e/", "/%252e%252e/"),
        ("/./a", "/a"), ("/a/.", "/a/"), ("/a/./", "/a/"), ("/.", "/"), ("/..", "/"), ("/../", "/"), ("/../../a", "/a"),
        ("/a/..", "/"), ("/a/../", "/"), ("/a/../b", "/b"), ("/a/b/..", "/a/"), ("/a/b/../c?d", "/a/c?d"),
        ("/a/b/../../..", "/"), ("/a/b/../../../c", "/c"), ("/a/./b/../../c", "/c"),
        ("/%2e%2e/a", "/a"), ("/a/%2E%2e/b", "/b"), ("/a/.%2e/b?x=%2e", "/b?x=%2e"), ("/a/%2e/b", "/a/b"),
        ("//", "//"), ("//a//b", "//a//b"), ("/a//../b", "/a/b"), ("/a//..", "/a/"), ("/..//a", "//a"),
        ("/...", "/..."), ("/.a/..b/c.", "/.a/..b/c."), ("/a/...//.b", "/a/...//.b"), ("/a/..%2fb", "/a/..%2fb"),
        ("/a;b/../c", "/c"), ("/%e4%f6", "/%e4%f6"), ("*", "*"), ("/?%", "/?%"), ("/a/..?", "/?"),
    ])
    func normalized(path: String, expected: String) {
        var head = Self.head(path)
        let problem = head.normalizePath()
        let normalized = Transcript.text(head, head.path)
        #expect(problem == nil && normalized == expected.debugDescription)
        let again = head.normalizePath()
        let twice = Transcript.text(head, head.path)
        #expect(again == nil && twice == normalized, "not stable")
    }

    @Test(arguments: [
        ("/%", PathProblem.invalidEscape), ("/%4", .invalidEscape), ("/%4g", .invalidEscape),
        ("/%g4/a", .invalidEscape),
        ("/a%?20", .invalidEscape), ("/a%2?0", .invalidEscape), ("/%00", .nulByte), ("/a/%00/..", .nulByte),
        ("/%2e%%2e", .invalidEscape),
    ])
    func refused(path: String, problem: PathProblem) {
        var head = Self.head(path)
        let found = head.normalizePath()
        let left = Transcript.text(head, head.path)
        #expect(found == problem && left == path.debugDescription)
    }

    @Test func aHeadWithoutAPathIsLeftAlone() {
        var head = MessageHead()
        let problem = head.normalizePath()
        #expect(problem == nil)
    }

    /// Any path stays a path, is stable, and has no dot segment left.
    @Test func anyPath() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed)
        let pieces = ["/", "/", ".", "..", "a", "%2e", "%2E", "%41", "%2f", "//", "?", ";"]
        for _ in 0..<3000 {
            let path =
                "/"
                + (0..<Int.random(in: 0...12, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }
                .joined()
            var head = Self.head(path)
            let problem = head.normalizePath()
            let once = Transcript.text(head, head.path)
            let again = head.normalizePath()
            let twice = Transcript.text(head, head.path)
            #expect(problem == nil && again == nil && once == twice, "\(path), seed \(seed)")
            let segments = once.dropFirst().dropLast().prefix { $0 != "?" }.split(
                separator: "/", omittingEmptySubsequences: false)
            #expect(
                once.hasPrefix("\"/") && !segments.contains(".") && !segments.contains(".."),
                "\(path): \(once), seed \(seed)")
        }
    }

    private static func head(_ path: String) -> MessageHead {
        var head = MessageHead()
        head.setPath(Array(path.utf8).span)
        return head
    }
}
