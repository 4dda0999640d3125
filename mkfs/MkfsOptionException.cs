namespace ImageFs.Mkfs;

/// <summary>An option, or a combination of options, that no file system can be made from; the message is one sentence.</summary>
public sealed class MkfsOptionException(string message) : Exception(message);
