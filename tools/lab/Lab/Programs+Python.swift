import Foundation

extension Programs {
    /// Python with the packages that `tools/setup` installs; throws what to do when it is not there.
    public static func python() throws(LabError) -> String {
        let path = root.appending(path: ".build-python/bin/python3").path
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw LabError("\(path): not there: run tools/setup")
        }
        return path
    }

    /// The command of a program of `Tests/GRPC`: `server.py` or `client.py`.
    public static func grpc(_ name: String, _ arguments: [String]) throws(LabError) -> [String] {
        [try python(), root.appending(path: "Tests/GRPC/\(name)").path] + arguments
    }

    private static var root: URL {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
    }
}
