import ArgumentParser
import Control
import Foundation
import Model

/// Writes a line to standard error.
func standardError(_ line: String) {
    FileHandle.standardError.write(Data((line + "\n").utf8))
}

/// The configuration in a file; exits with 78 and every problem on standard error when it cannot be used.
func loadConfiguration(_ path: String) throws -> Configuration {
    do {
        return try ConfigurationFile.load(path: path)
    } catch {
        standardError("\(error)")
        throw ExitCode(78)
    }
}
