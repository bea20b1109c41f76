# SPDX-License-Identifier: AGPL-3.0-only
# Lines "round server name value" of run_turn.sh -> medians side by side. Bars are said, not judged.

function median(server, name,    list, n, i, j, t) {
    n = split(values[server, name], list, " ")
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && list[j - 1] + 0 > list[j] + 0; j--) {
            t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
        }
    if (n == 0)
        return ""
    return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

function text(v) {
    if (v == "")
        return "-"
    return v >= 100 ? sprintf("%.0f", v) : v >= 1 || v <= -1 ? sprintf("%.1f", v) : v == 0 ? "0" : sprintf("%.4f", v)
}

# kind: ">x" a ratio at least, "<" at most this value of turnd, ">" at least, "" no bar
function row(label, name, kind, bar,    a, b, ratio, said, ok) {
    a = median("turnd", name); b = median("coturn", name)
    if (a == "" && b == "")
        return
    ratio = a != "" && b != "" && b != 0 ? a / b : ""
    if (kind == ">x") { said = "bar >= " bar "x"; ok = ratio == "" ? "unknown" : ratio >= bar ? "yes" : "no" }
    if (kind == ">") { said = "bar >= " bar; ok = a == "" ? "unknown" : a + 0 >= bar ? "yes" : "no" }
    if (kind == "<") { said = "bar <= " bar; ok = a == "" ? "unknown" : a + 0 <= bar ? "yes" : "no" }
    printf "%-52s %10s %10s %8s  %-14s %s\n", label, text(a), text(b), ratio == "" ? "-" : sprintf("%.2fx", ratio),
        said, ok == "" ? "" : "reached: " ok
}

function uclient(label, name) {
    row(label ": packets per CPU second", name "_pcs")
    row("  CPU milliseconds for its 7200 messages", name "_cpu_ms")
    row("  loss, share", name "_loss")
    row("  round trip, us (it counts milliseconds)", name "_rtt")
    row("  jitter, us", name "_jitter")
}

# In how many rounds the flag was set
function flagged(server, name,    list, n, i, sum) {
    n = split(values[server, name], list, " ")
    for (i = 1; i <= n; i++)
        sum += list[i] > 0
    return sum + 0
}

function remarks(server,    kinds, i, n, k, w) {
    if (flagged(server, "uclient_failed"))
        printf "# %s: turnutils_uclient with channels gave up\n", server
    n = split("burst single", kinds, " ")
    for (i = 1; i <= n; i++) {
        k = kinds[i]
        if (flagged(server, k "_peak_generator"))
            printf "# %s, peak of %s packets: the generator was the limit in %d of %d rounds: at least this much\n", server,
                k, flagged(server, k "_peak_generator"), split(values[server, k "_peak_generator"], w, " ")
        if (flagged(server, k "_generator"))
            printf "# %s, %s packets: the generator was the limit already at the moderate rate\n", server, k
        if (median(server, k "_wait") > 0.05)
            printf "# %s, %s packets: disturbed; ready processes had no processor for %.0f%% of the time\n", server, k,
                median(server, k "_wait") * 100
        if (flagged(server, k "_bad"))
            printf "# %s, %s packets: some came back changed or in the wrong channel\n", server, k
    }
}

/^#/ { next }
{
    if ($1 > last)
        last = $1
    line[++lines] = $0
}

END {
    for (i = 1; i <= lines; i++) {
        split(line[i], f, " ")
        if (last == 1 || f[1] > 1)
            values[f[2], f[3]] = values[f[2], f[3]] " " f[4]
    }
    printf("\nmedian of %d round%s%s\n", (last > 1 ? last - 1 : last), (last > 2 ? "s" : ""),
        (last > 1 ? ", the first dropped" : ""))
    printf "%-52s %10s %10s %8s\n", "", "turnd", "coturn", "ratio"
    row("bursts of 6, 18000/s: packets per CPU second", "burst_pcs", ">x", 3)
    row("  at 120000/s", "burst_loaded_pcs", ">x", 3)
    row("  at its peak", "burst_peak_pcs", ">x", 3)
    row("  peak packets per second (loss <= 0.5 %)", "burst_peak")
    row("  loss at 18000/s, share", "burst_loss")
    row("single packets, 5000/s: packets per CPU second", "single_pcs", ">x", 1.3)
    row("  at 40000/s", "single_loaded_pcs", ">x", 1.3)
    row("  at its peak", "single_peak_pcs", ">x", 1.3)
    row("  peak packets per second (loss <= 0.5 %)", "single_peak")
    row("  loss at 5000/s, share", "single_loss")
    row("round trip p50, us", "rtt_p50")
    row("round trip p99, us", "rtt_p99")
    row("resident kB per 1000 idle allocations, of 4000", "rss_at_4000", "<", 4000)
    row("  of 1000", "rss_at_1000")
    row("  and kernel memory of its sockets, kB each", "rss_kernel_kb")
    row("  resident kB of the empty server", "rss_base_kb")
    row("allocations per second, with authentication", "alloc_per_s", ">", 5000)
    row("  per CPU second", "alloc_pcs")
    row("  requests that had to be sent again", "alloc_again")
    uclient("turnutils_uclient, channels", "uclient")
    uclient("turnutils_uclient, Send and Data", "ucsend")
    remarks("turnd")
    remarks("coturn")
    if (!first && (median("turnd", "burst_wait") > 0.05 || median("coturn", "burst_wait") > 0.05))
        print "# as root, EDGE_BENCH_FIRST=1 puts the bench before everything else on this machine"
}
