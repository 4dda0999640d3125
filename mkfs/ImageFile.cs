using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Mkfs;

/// <summary>Makes file systems in files: finds out whether the file is there and free, creates or empties it, fills it.</summary>
internal static class ImageFile
{
    public static MkfsPlan Format(string path, MkfsOptions options, Action<MkfsPlan>? planned)
    {
        if (options.DryRun) return DryRun(path, options, planned);
        if (!Path.Exists(path)) return Create(path, options, planned);

        FileDevice device = FileDevice.Open(path, DeviceAccess.Write);
        try
        {
            MkfsPlan plan = Plan(device, options);
            if (device.Length > 0) Mkfs.RefuseToOverwrite(device, options);
            planned?.Invoke(plan);
            bool isFile = !OperatingSystem.IsLinux() || LinuxCalls.Identify(path) is { IsRegular: true };
            // Cutting a file to nothing and letting it grow again gives all its blocks back at once.
            bool isZero = isFile && !options.KeepBlocks;
            long length = options.CreateImage || device.Length == 0 ? plan.DataBytes : device.Length;
            if (isFile && (isZero || length != device.Length)) device = device.Resized(length, keepContents: !isZero);
            return Mkfs.Format(device, options, plan, isZero);
        }
        finally { device.Dispose(); }
    }

    private static MkfsPlan DryRun(string path, MkfsOptions options, Action<MkfsPlan>? planned)
    {
        MkfsPlan plan;
        if (Path.Exists(path))
        {
            using FileDevice device = FileDevice.Open(path, DeviceAccess.Read, allowInUse: true);
            plan = Plan(device, options);
        }
        else plan = PlanNew(path, options);
        planned?.Invoke(plan);
        return plan;
    }

    private static MkfsPlan Plan(FileDevice device, MkfsOptions options) =>
        Mkfs.Plan(options, options.CreateImage || (device.Length == 0 && options.Size is not null) ? null : device.Length);

    private static MkfsPlan PlanNew(string path, MkfsOptions options) => options.Size is not null
        ? Mkfs.Plan(options)
        : throw new XfsException(Errno.ENOENT, $"{path}: there is no such file; with --size it is created");

    private static MkfsPlan Create(string path, MkfsOptions options, Action<MkfsPlan>? planned)
    {
        MkfsPlan plan = PlanNew(path, options);
        planned?.Invoke(plan);
        bool created = false, done = false;
        try
        {
            using (FileStream file = new(path, FileMode.CreateNew, FileAccess.Write))
            {
                created = true;
                file.SetLength(plan.DataBytes);
            }
            using FileDevice device = FileDevice.Open(path, DeviceAccess.Write);
            MkfsPlan result = Mkfs.Format(device, options, plan, isZero: true);
            done = true;
            return result;
        }
        catch (Exception e) when (e is (IOException or UnauthorizedAccessException) and not XfsException)
        {
            throw new XfsException(e is DirectoryNotFoundException ? Errno.ENOENT : Errno.EIO, $"{path}: cannot be created: {e.Message}", e);
        }
        finally
        {
            // Half an image helps nobody.
            if (created && !done) File.Delete(path);
        }
    }
}
