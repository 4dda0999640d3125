namespace ImageFs.Tests.Mkfs;

/// <summary>Option sets of all kinds, most of them valid, from a seed.</summary>
internal static class RandomOptions
{
    private static readonly string[] Sizes =
    [
        "16m", "17m", "20m", "24m", "31m", "32m", "40m", "63m", "64m", "65m", "100m", "127m", "128m", "129m", "200m", "299m", "300m", "301m",
        "400m", "500m", "512m", "777m", "1023m", "1g", "1025m", "1500m", "2g", "3g", "4g", "7g", "8g", "9g", "10g", "16g", "33g", "64g", "100g",
        "128g", "129g", "250g", "500g", "512g", "513g", "700g", "1023g", "1t", "1025g", "2t", "3t", "4095g", "4t", "4097g", "5t", "8t", "10t",
        "16t", "20t", "31t", "32t", "33t", "49t", "50t", "51t", "64t", "100t", "500t", "1p", "3p", "16p",
    ];

    public static List<string> Next(Random random)
    {
        bool Chance(int percent) => random.Next(100) < percent;
        string Pick(params string[] choices) => choices[random.Next(choices.Length)];

        List<string> arguments = [];
        int blockLog = Chance(50) ? 12 : random.Next(10, 17);
        int block = 1 << blockLog;
        if (blockLog != 12) arguments.Add($"-bsize={block}");
        if (Chance(25))
        {
            int sector = 1 << random.Next(9, Math.Min(blockLog, 15) + 1);
            arguments.Add(Chance(50) ? $"-ssize={sector}" : $"-dsectsize={sector}");
        }
        string size = Sizes[random.Next(Sizes.Length)];
        if (Chance(20)) size = random.NextInt64(16 << 20, 1L << random.Next(25, 50)) / 512 * 512 + "";
        string data = $"-dsize={size}";
        if (Chance(20)) data += $",agcount={(Chance(70) ? random.Next(1, 40) : random.Next(1, 3000))}";
        else if (Chance(20)) data += $",agsize={Pick("16m", "20m", "24m", "64m", "100m", "256m", "1g", "3g", "100g", "1t", "16777216", "17825792", "1023m", "5000b", "9001b")}";
        if (Chance(25))
        {
            if (Chance(70)) data += $",su={Pick("4k", "8k", "16k", "24k", "32k", "64k", "128k", "256k", "512k", "1m", "4m", "96k", "12k", "1b", "3b", "8b", "0")},sw={random.Next(1, 12)}";
            else
            {
                int unit = 8 * random.Next(0, 40);
                data += $",sunit={unit},swidth={unit * random.Next(1, 9) + (Chance(5) ? 8 : 0)}";
            }
        }
        else if (Chance(5)) data += ",noalign";
        if (Chance(4)) data += ",extszinherit=" + random.Next(0, 9000);
        if (Chance(4)) data += ",cowextsize=" + random.Next(0, 9000);
        arguments.Add(data);

        List<string> meta = [], inode = [], log = [];
        meta.Add("rmapbt=" + random.Next(2));
        inode.Add("nrext64=" + random.Next(2));
        if (Chance(30)) meta.Add("reflink=" + random.Next(2));
        if (Chance(15)) meta.Add("finobt=" + random.Next(2));
        if (Chance(15)) meta.Add("inobtcount=" + random.Next(2));
        if (Chance(15)) meta.Add("bigtime=" + random.Next(2));
        arguments.Add("-m" + string.Join(',', meta));
        if (Chance(15)) inode.Add("sparse=" + random.Next(2));
        if (Chance(20)) inode.Add(Chance(70) ? "size=" + (512 << random.Next(3)) : "perblock=" + (1 << random.Next(1, 8)));
        if (Chance(15)) inode.Add("maxpct=" + random.Next(0, 101));
        arguments.Add("-i" + string.Join(',', inode));
        if (Chance(20)) log.Add("size=" + Pick("2m", "4m", "5m", "8m", "10m", "12m", "16m", "20m", "32m", "64m", "65m", "100m", "128m", "512m", "1g", "2038m", "2000b", "20000b", "3333b", "12345k"));
        if (Chance(15)) log.Add("agnum=" + random.Next(0, 5));
        if (Chance(20)) log.Add(Chance(50) ? "su=" + Pick("4k", "8k", "16k", "32k", "64k", "128k", "256k", "1b", "2b", "3b", "12k") : "sunit=" + 8 * random.Next(1, 64));
        if (log.Count > 0) arguments.Add("-l" + string.Join(',', log));
        if (Chance(15)) arguments.Add("-nsize=" + (4096 << random.Next(5)));
        if (Chance(5)) arguments.Add("-rextsize=" + Pick("4k", "64k", "1m", "12k", "1g"));
        return arguments;
    }
}
