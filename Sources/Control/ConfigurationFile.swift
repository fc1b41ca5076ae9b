import Foundation
import Model

/// The file source's way to a file and to the process environment; all else about it is `ConfigurationLoader`.
public enum ConfigurationFile {
    /// Reads and checks the file at `path`. A file that cannot be read is a problem at 1:1.
    public static func load(
        path: String, environment: [String: String] = processEnvironment()
    ) throws(ConfigurationProblems) -> Configuration {
        let bytes = try read(path: path)
        return try ConfigurationLoader(file: path, environment: environment).load(bytes)
    }

    /// The environment of this process, now.
    public static func processEnvironment() -> [String: String] { ProcessInfo.processInfo.environment }

    /// The bytes of the file at `path`, one more than the limit at most: the loader says what the limit is.
    static func read(path: String) throws(ConfigurationProblems) -> [UInt8] {
        let file: FileHandle
        do {
            file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        } catch {
            throw unreadable(path, error)
        }
        defer { try? file.close() }
        do {
            return Array(try file.read(upToCount: DocumentLimits.bytesMax + 1) ?? Data())
        } catch {
            throw unreadable(path, error)
        }
    }

    private static func unreadable(_ path: String, _ error: any Error) -> ConfigurationProblems {
        let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
        let code = underlying?.domain == NSPOSIXErrorDomain ? underlying?.code : nil
        // Sound: glibc's text is static or of this thread, and is copied at once.
        let cause = code.map { unsafe String(cString: strerror(Int32($0))).lowercased() } ?? "\(error)"
        let message = "the file cannot be read: \(cause), expected a readable file"
        return ConfigurationProblems([ConfigurationProblem(file: path, line: 1, column: 1, path: "", message: message)])
    }
}
