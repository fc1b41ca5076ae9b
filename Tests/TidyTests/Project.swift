import Foundation
import Testing

/// The project's own files, as a reader of the repository sees them: no build products, no fuzz corpus.
enum Project {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// A text file and its path from the root.
    struct File: Sendable, CustomTestStringConvertible {
        let path: String
        let text: String

        var testDescription: String { path }
        /// Numbered from 1, as editors do.
        var lines: [(number: Int, text: Substring)] {
            text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().map {
                ($0.offset + 1, $0.element)
            }
        }
        /// The folder it is in: `Sources/Proxy`.
        var folder: String { path.split(separator: "/").dropLast().joined(separator: "/") }
    }

    /// All text files, sorted by path.
    static let files: [File] = paths("").compactMap(file)

    static func files(ending suffix: String) -> [File] { files.filter { $0.path.hasSuffix(suffix) } }

    /// The file at `path`; an expectation fails when it is not there.
    static func text(_ path: String) throws -> String { try #require(file(path), "\(path): missing").text }

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appending(path: path).path)
    }

    private static func file(_ path: String) -> File? {
        guard let data = try? Data(contentsOf: root.appending(path: path)),
            let text = String(validating: data, as: UTF8.self)
        else { return nil }
        return File(path: path, text: text)
    }

    private static func paths(_ folder: String) -> [String] {
        let url = folder.isEmpty ? root : root.appending(path: folder)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
        return names.sorted().filter { !isForeign($0) }.flatMap { name -> [String] in
            let path = folder.isEmpty ? name : folder + "/" + name
            var isFolder: ObjCBool = false
            // Sound: the flag outlives the call.
            let exists = unsafe FileManager.default.fileExists(
                atPath: root.appending(path: path).path, isDirectory: &isFolder)
            guard exists else { return [] }
            return isFolder.boolValue ? paths(path) : [path]
        }
    }

    private static func isForeign(_ name: String) -> Bool {
        name.hasPrefix(".build") || [".git", "corpus", "__pycache__", "Package.resolved"].contains(name)
    }
}
