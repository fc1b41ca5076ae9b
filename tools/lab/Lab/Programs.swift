import Foundation

/// Where the project's programs are: `APUS_BIN_DIR`, or the directory of the running executable (SwiftPM puts the test
/// bundle and every program into one).
public enum Programs {
    /// A program's path; throws what to do when it is not there.
    public static func path(_ name: String) throws(LabError) -> String {
        let path = directory + "/" + name
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw LabError("\(name): not found at \(path): run 'swift build' first, or set APUS_BIN_DIR")
        }
        return path
    }

    private static var directory: String {
        if let directory = ProcessInfo.processInfo.environment["APUS_BIN_DIR"] { return directory }
        let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "."
        return URL(fileURLWithPath: executable).deletingLastPathComponent().path
    }
}
