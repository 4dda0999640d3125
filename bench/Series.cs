namespace ImageFs.Bench;

/// <summary>What several runs of the same measurement gave.</summary>
internal sealed class Series(string name)
{
    private readonly List<double> _values = [];

    public string Name => name;

    public void Add(double value) => _values.Add(value);

    public double Median => _values.Order().ElementAt(_values.Count / 2);

    public bool Any => _values.Count > 0;

    public override string ToString() => $"{name} {Median:N0} ({_values.Min():N0} .. {_values.Max():N0})";
}
