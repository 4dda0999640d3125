namespace Kaitai;

/// <summary>The bytes are not what the specification says.</summary>
public class KaitaiStructError(string msg, string srcPath) : Exception($"{srcPath}: {msg}")
{
    /// <summary>The place in the specification, such as /types/agf/seq/0.</summary>
    public string SrcPath { get; } = srcPath;
}

/// <summary>A type whose byte order depends on a value met a value for which none is given.</summary>
public class UndecidedEndiannessError(string srcPath = "") : KaitaiStructError("no byte order follows from the data", srcPath);

/// <summary>A `valid` in the specification does not hold.</summary>
public class ValidationFailedError(string msg, KaitaiStream? io, string srcPath)
    : KaitaiStructError(io is null ? msg : $"before byte {io.Pos}: {msg}", srcPath)
{
    /// <summary>The stream in which it was found, behind the value in question.</summary>
    public KaitaiStream? Io { get; } = io;

    /// <summary>A value as a person writes it.</summary>
    protected static string Show(object? value) => value switch
    {
        null => "nothing",
        byte[] bytes => bytes.Length <= 32 ? $"[{Convert.ToHexString(bytes)}]" : $"[{Convert.ToHexString(bytes.AsSpan(0, 32))}...]",
        IFormattable number => number.ToString(null, System.Globalization.CultureInfo.InvariantCulture),
        // A structure has no text of its own; its name says which one it is.
        KaitaiStruct structure => structure.GetType().Name,
        _ => value.ToString() ?? "",
    };
}

/// <summary>Not the one value that is possible.</summary>
public class ValidationNotEqualError(object? expected, object? actual, KaitaiStream? io, string srcPath)
    : ValidationFailedError($"found {Show(actual)}, expected {Show(expected)}", io, srcPath)
{
    /// <summary>What should be there.</summary>
    public object? Expected { get; } = expected;
    /// <summary>What is there.</summary>
    public object? Actual { get; } = actual;
}

/// <summary>Less than is possible.</summary>
public class ValidationLessThanError(object? min, object? actual, KaitaiStream? io, string srcPath)
    : ValidationFailedError($"found {Show(actual)}, expected at least {Show(min)}", io, srcPath)
{
    /// <summary>The least that is possible.</summary>
    public object? Min { get; } = min;
    /// <summary>What is there.</summary>
    public object? Actual { get; } = actual;
}

/// <summary>More than is possible.</summary>
public class ValidationGreaterThanError(object? max, object? actual, KaitaiStream? io, string srcPath)
    : ValidationFailedError($"found {Show(actual)}, expected at most {Show(max)}", io, srcPath)
{
    /// <summary>The most that is possible.</summary>
    public object? Max { get; } = max;
    /// <summary>What is there.</summary>
    public object? Actual { get; } = actual;
}

/// <summary>None of the values that are possible.</summary>
public class ValidationNotAnyOfError(object? actual, KaitaiStream? io, string srcPath)
    : ValidationFailedError($"found {Show(actual)}, which is none of the possible values", io, srcPath)
{
    /// <summary>What is there.</summary>
    public object? Actual { get; } = actual;
}

/// <summary>A number that the enumeration does not have.</summary>
public class ValidationNotInEnumError(object? actual, KaitaiStream? io, string srcPath)
    : ValidationFailedError($"found {Show(actual)}, which the enumeration does not have", io, srcPath)
{
    /// <summary>What is there.</summary>
    public object? Actual { get; } = actual;
}

/// <summary>A condition does not hold.</summary>
public class ValidationExprError(object? actual, KaitaiStream? io, string srcPath)
    : ValidationFailedError($"{Show(actual)} does not meet the condition", io, srcPath)
{
    /// <summary>What the condition is about.</summary>
    public object? Actual { get; } = actual;
}
