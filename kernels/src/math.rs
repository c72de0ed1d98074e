//! Elementary functions on plain `f32` ([`single`]) and `f64` ([`double`]), written without branches.
//!
//! Each is arithmetic, integer operations on the bits and selections between values already computed, so inlined
//! into a loop over an array the loop is compiled to vector instructions, and on a lone scalar there is no call to
//! make. A multiplication and an addition are never fused, there is no table and no call into the system's
//! mathematical library: the result is the same to the last bit on every instruction set and operating system. The
//! exceptions are `sin` and `cos` of huge arguments, which do branch to the standard library's; `sin_near` and
//! `cos_near` do not.
//!
//! The methods are those of W. J. Cody and W. Waite, *Software Manual for the Elementary Functions* (1980), and of
//! J.-M. Muller, *Elementary Functions: Algorithms and Implementation* (3rd edition, 2016): an argument is reduced
//! to a short interval around zero, where a polynomial does the rest. The polynomials are minimax fits of the
//! *relative* error, found with the Remez exchange algorithm in 60-digit arithmetic. Most are summed by Estrin's
//! scheme, whose chain of dependent operations is shorter than Horner's: that chain is what a scalar waits for.
//!
//! Errors are in units in the last place (ulp), measured and rounded up. For `f32` they are the largest over all 2³²
//! arguments. For `f64` they are the largest of one to two million, chosen where the error is large, against a
//! reference of 160 bits, and a tenth for those not tried.

/// The functions whose text is the same in both precisions. It reads the constants and polynomials of the module it
/// is expanded in.
macro_rules! functions {
    () => {
        /// Bits of the mantissa that are stored.
        const MANTISSA: u32 = Float::MANTISSA_DIGITS - 1;
        /// What the exponent of 1 is stored as.
        const BIAS: Bits = Float::MAX_EXP as Bits - 1;
        /// Adding this rounds to an integer, and leaves that integer plus `2·BIAS` in the lowest bits. The `2·BIAS`
        /// keeps it positive for every exponent there is.
        const ROUND: Float = 3.0 * ((1 as Bits) << (MANTISSA - 1)) as Float + (2 * BIAS) as Float;

        /// `2ⁿ` for a whole number already biased, whatever its higher bits hold.
        #[inline(always)]
        fn power_of_two(biased: Bits) -> Float {
            Float::from_bits(biased << MANTISSA)
        }

        /// `min(x, most)`, and NaN for NaN.
        #[inline(always)]
        fn at_most(x: Float, most: Float) -> Float {
            if x > most { most } else { x }
        }

        /// `max(x, least)`, and NaN for NaN.
        #[inline(always)]
        fn at_least(x: Float, least: Float) -> Float {
            if x < least { least } else { x }
        }

        /// `x - k·ln 2` with `k = rounded - ROUND` a whole number, as an exact part and a small rest to subtract
        /// (Cody & Waite: `ln 2` is the sum of a part so short that its product with `k` is exact, and a rest).
        #[inline(always)]
        fn less_multiple_of_ln_2(x: Float, rounded: Float) -> (Float, Float) {
            let k = rounded - ROUND;
            (x - k * LN_2_HIGH, k * LN_2_LOW)
        }

        /// `eˣ` for `x` of which neither `eˣ` nor the number of halvings it takes leaves the exponents there are.
        #[inline(always)]
        fn exp_clamped(x: Float) -> Float {
            let rounded = x * LOG2_E + ROUND;
            let (p, _) = exp_near_0(less_multiple_of_ln_2(x, rounded));
            // By two powers of two: each is a normal number, though their product may be subnormal or infinite.
            let n = rounded.to_bits();
            let half = n >> 1;
            (1.0 + p) * power_of_two(half) * power_of_two(n.wrapping_sub(half))
        }

        /// `eˣ`. Error ≤ 0.9 ulp (`f32`), 1.0 ulp (`f64`), results below the normal numbers included.
        ///
        /// `eˣ = 2ᵏ eʳ`, `k` the whole number nearest `x / ln 2`, `|r| ≤ ½ ln 2` (Cody & Waite, chapter 6).
        #[inline(always)]
        pub fn exp(x: Float) -> Float {
            // Not by a product that underflows, which takes some processors a hundred times as long: masked scores are −∞.
            let vanishes = x < EXP_LEAST;
            let y = exp_clamped(if vanishes { 0.0 } else { at_most(x, EXP_MOST) });
            if vanishes { 0.0 } else { y }
        }

        /// `eˣ - 1`, accurate near 0. Error ≤ 1.7 ulp (`f32`), 1.9 ulp (`f64`).
        ///
        /// `eˣ - 1 = 2ᵏ ((1 - 2⁻ᵏ) + (eʳ - 1))` with the `k` and `r` of [`exp`].
        #[inline(always)]
        pub fn exp_m1(x: Float) -> Float {
            let y = at_least(at_most(x, EXP_MOST), -TINY_BITS * LN_2_HIGH);
            let rounded = y * LOG2_E + ROUND;
            let (p, _) = exp_near_0(less_multiple_of_ln_2(y, rounded));
            let n = rounded.to_bits();
            // Where 2⁻ᵏ is lost against 1 in any case, a larger k is not worth the exponents it would need.
            let n_inverse = at_most(rounded, ROUND + TINY_BITS).to_bits();
            let inverse = power_of_two((3 * BIAS).wrapping_sub(n_inverse));
            let scaled = (1.0 - inverse) + p;
            // 2ᵏ may be just out of range where the result is not. The sign is that of x, -0 included.
            ((scaled + scaled) * power_of_two(n.wrapping_sub(BIAS + 1))).copysign(x)
        }

        /// `ln(2ᵏ (1 + f + rest))` for `√½ - 1 ≤ f ≤ √2 - 1` and a `rest` below the last bit of `f`.
        ///
        /// `ln(1 + f) = 2 artanh s = 2s + s R(s²)`, `s = f / (2 + f)`, and `2s = f - s f`: written as
        /// `f - (½f² - s (½f² + R))` every rounding is of a term smaller than the result (K. C. Ng, FDLIBM, 1993).
        #[inline(always)]
        fn ln_reduced(k: Float, f: Float, rest: Float) -> Float {
            let s = f / (2.0 + f);
            let half_square = 0.5 * f * f;
            let series = artanh_series(s * s);
            let small = s * (half_square + series) + (k * LN_2_LOW + rest);
            k * LN_2_HIGH + (f - (half_square - small))
        }

        /// `(k, m)` with `x = 2ᵏ m`, `√½ ≤ m < √2`, and `k` biased, for positive normal `x`.
        #[inline(always)]
        fn split(x: Float) -> (Bits, Float) {
            let bits = x.to_bits().wrapping_add(Float::to_bits(1.0) - SQRT_HALF);
            let m = Float::from_bits((bits & ((1 << MANTISSA) - 1)) + SQRT_HALF);
            (bits >> MANTISSA, m)
        }

        /// A small whole number as a `Float`. Not every vector instruction set can convert 64-bit integers.
        #[inline(always)]
        fn whole(n: Bits) -> Float {
            const SHIFT: Float = ((1 as Bits) << MANTISSA) as Float;
            Float::from_bits(n | SHIFT.to_bits()) - SHIFT
        }

        /// `ln x`. Error ≤ 0.9 ulp (`f32`), 0.9 ulp (`f64`).
        ///
        /// `ln x = k ln 2 + ln m`, `x = 2ᵏ m` with `m` between `√½` and `√2` (Cody & Waite, chapter 5).
        #[inline(always)]
        pub fn ln(x: Float) -> Float {
            let subnormal = x < Float::MIN_POSITIVE;
            const LIFT: Float = ((1 as Bits) << (MANTISSA + 1)) as Float;
            let (k, m) = split(if subnormal { x * LIFT } else { x });
            let lift = if subnormal { (BIAS + MANTISSA as Bits + 1) as Float } else { BIAS as Float };
            let y = ln_reduced(whole(k) - lift, m - 1.0, 0.0);
            // ln 0 = -∞, no logarithm below, and ln ∞ = ∞, ln NaN = NaN.
            let special = if x == 0.0 { Float::NEG_INFINITY } else { x };
            let special = if x < 0.0 { Float::NAN } else { special };
            if (x > 0.0) & (x < Float::INFINITY) { y } else { special }
        }

        /// `ln(1 + x)`, accurate near 0. Error ≤ 0.9 ulp (`f32`), 0.9 ulp (`f64`).
        ///
        /// As [`ln`] of `1 + x`, with what rounding that sum loses (exactly, by Knuth's two-sum) added to the reduced
        /// argument.
        #[inline(always)]
        pub fn ln_1p(x: Float) -> Float {
            let sum = 1.0 + x;
            let part = sum - 1.0;
            let lost = (1.0 - (sum - part)) + (x - part);
            let (k, m) = split(sum);
            // 2⁻ᵏ, twice itself first: for the largest sums it is not a normal number.
            let lost = lost * (0.5 * power_of_two((2 * BIAS + 1).wrapping_sub(k)));
            let f = (m - 1.0) + lost;
            let rest = ((m - 1.0) - f) + lost;
            let y = ln_reduced(whole(k) - BIAS as Float, f, rest - rest * f).copysign(x);
            let special = if x == -1.0 { Float::NEG_INFINITY } else { x };
            let special = if x < -1.0 { Float::NAN } else { special };
            if (x > -1.0) & (x < Float::INFINITY) { y } else { special }
        }

        /// `tanh x`. Error ≤ 1.9 ulp (`f32`), 2.0 ulp (`f64`).
        ///
        /// With `e²ˣ = 2ᵏ (1 + p)`, `tanh x = (e²ˣ - 1) / (e²ˣ + 1) = (1 - 2⁻ᵏ + p) / (1 + 2⁻ᵏ + p)`. The roundings of
        /// that quotient would add up to 3 ulp, so it is not computed: what is, is a quotient smaller than the
        /// result that corrects a number near it, which is `|x|` for `k = 0`, `3⁄16` for `k = 1`, and then 1.
        #[inline(always)]
        pub fn tanh(x: Float) -> Float {
            let y = at_most(x.abs(), TANH_MOST);
            let rounded = y * (2.0 * LOG2_E) + ROUND;
            let (p, q) = exp_near_0(less_multiple_of_ln_2(y + y, rounded));
            let inverse = power_of_two((3 * BIAS).wrapping_sub(rounded.to_bits()));
            let (near, far) = (rounded == ROUND, rounded > ROUND + 1.0);
            // ½ + p - 3⁄16 (1½ + p), in the order that is nearly exact.
            let (start, numerator) = (0.1875, (0.21875 + p) - 0.1875 * p);
            let (start, numerator) = if far { (1.0, -2.0 * inverse) } else { (start, numerator) };
            // p - y (2 + p) with p = 2y + q, less the 2y that cancel.
            let (start, numerator) = if near { (y, q * (1.0 - y) - 2.0 * y * y) } else { (start, numerator) };
            (start + numerator / ((1.0 + inverse) + p)).copysign(x)
        }

        /// `σ(x) = 1 / (1 + e⁻ˣ)`. Error ≤ 1.7 ulp (`f32`), 1.8 ulp (`f64`), in both tails.
        ///
        /// With `e^|x| = 2ᵏ (1 + p)` the smaller of `σ(x)` and `σ(-x)` is `2⁻ᵏ / (2⁻ᵏ + 1 + p)`, and the larger is 1
        /// less that.
        #[inline(always)]
        pub fn sigmoid(x: Float) -> Float {
            let y = at_most(x.abs(), -EXP_LEAST);
            let rounded = y * LOG2_E + ROUND;
            let (p, _) = exp_near_0(less_multiple_of_ln_2(y, rounded));
            // 2⁻ᵏ as two powers of two, as in `exp`.
            let n = (4 * BIAS).wrapping_sub(rounded.to_bits());
            let half = n >> 1;
            let (a, b) = (power_of_two(half), power_of_two(n.wrapping_sub(half)));
            let inverse = a * b;
            // In the order that loses least: k = 0 makes the first exact, and a large k the second nearly so.
            let denominator = if y < 1.0 { (1.0 + inverse) + p } else { 1.0 + (inverse + p) };
            let smaller = a / denominator * b;
            if x < 0.0 { smaller } else { 1.0 - smaller }
        }

        /// `erf x = 2/√π ∫₀ˣ e^(−t²) dt`. Error ≤ 1.8 ulp (`f32`), 1.8 ulp (`f64`).
        ///
        /// `x + x P(x²)` to 1, then `1 - e^(-x²) t Q(t)` with `t = 3 / (3 + x)`.
        #[inline(always)]
        pub fn erf(x: Float) -> Float {
            let y = at_most(x.abs(), ERF_MOST);
            let square = y * y;
            let near = y + y * erf_near(square);
            let t = 3.0 / (3.0 + y);
            let far = 1.0 - exp_clamped(-square) * (t * erf_far(t));
            (if y < 1.0 { near } else { far }).copysign(x)
        }

        /// `sin a` and `cos a`, one to return and the other for odd `quarters`, with the sign of the quadrant.
        #[inline(always)]
        fn quadrant(even: Float, odd: Float, quarters: Bits, negative: Bits) -> Float {
            let y = if quarters & 1 == 0 { even } else { odd };
            Float::from_bits(y.to_bits() ^ ((quarters & 2) << (Bits::BITS - 2)) ^ negative)
        }

        /// `sin x` for `|x| ≤` [`NEAR`], without a branch; NaN beyond. Error ≤ 1.6 ulp (`f32`), 1.6 ulp (`f64`).
        ///
        /// `± sin r` or `± cos r`, `r` what is left of `x` without the nearest multiple of `½π` (Cody & Waite,
        /// chapter 8).
        #[inline(always)]
        pub fn sin_near(x: Float) -> Float {
            let (quarters, r) = less_quarters(x.abs());
            let sign = x.to_bits() & (-0.0 as Float).to_bits();
            let y = quadrant(sin_reduced(r), cos_reduced(r), quarters, sign);
            if x.abs() <= NEAR { y } else { Float::NAN }
        }

        /// `cos x` for `|x| ≤` [`NEAR`], as [`sin_near`]. Error ≤ 1.6 ulp (`f32`), 1.6 ulp (`f64`).
        #[inline(always)]
        pub fn cos_near(x: Float) -> Float {
            let (quarters, r) = less_quarters(x.abs());
            let y = quadrant(sin_reduced(r), cos_reduced(r), quarters.wrapping_add(1), 0);
            if x.abs() <= NEAR { y } else { Float::NAN }
        }

        /// `sin x`: [`sin_near`], and beyond [`NEAR`] the standard library's.
        ///
        /// The branch keeps a loop from being vectorised. A loop that matters calls [`sin_near`] throughout, and
        /// repeats the block with this in the rare case that some argument in it was too large.
        #[inline(always)]
        pub fn sin(x: Float) -> Float {
            if x.abs() <= NEAR { sin_near(x) } else { sin_far(x) }
        }

        /// `cos x`: [`cos_near`], and beyond [`NEAR`] the standard library's. See [`sin`].
        #[inline(always)]
        pub fn cos(x: Float) -> Float {
            if x.abs() <= NEAR { cos_near(x) } else { cos_far(x) }
        }

        // Not inlined: a compiler that sees what these are vectorises the loop around all the same, testing and
        // extracting one lane after the other, which is half as fast as not to.

        #[cold]
        #[inline(never)]
        fn sin_far(x: Float) -> Float {
            x.sin()
        }

        #[cold]
        #[inline(never)]
        fn cos_far(x: Float) -> Float {
            x.cos()
        }
    };
}

/// On `f32`.
pub mod single {
    type Float = f32;
    type Bits = u32;

    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    const LN_2_HIGH: f32 = 0.693_145_75;
    const LN_2_LOW: f32 = 1.428_606_8e-6;
    /// `√½`, as bits.
    const SQRT_HALF: u32 = std::f32::consts::FRAC_1_SQRT_2.to_bits();
    /// `eˣ` is infinite from here on, and so is what [`exp`] makes of it.
    const EXP_MOST: f32 = 89.0;
    /// `eˣ` is 0 from here on down.
    const EXP_LEAST: f32 = -104.0;
    /// `2` to minus this power is nothing next to 1.
    const TINY_BITS: f32 = 28.0;
    /// `tanh x` is 1 from here on.
    const TANH_MOST: f32 = 10.0;
    /// `erf x` is 1 from here on.
    const ERF_MOST: f32 = 4.0;
    /// The largest argument that [`sin_near`] and [`cos_near`] take: `2²⁰ · ½π`.
    pub const NEAR: f32 = 1647099.0;

    functions!();

    /// `eʳ - 1` and `eʳ - 1 - r`, for `|r| ≤ ½ ln 2`. `r` comes as the difference of an exact number and a small rest.
    #[inline(always)]
    fn exp_near_0((exact, rest): (f32, f32)) -> (f32, f32) {
        let r = exact - rest;
        let r2 = r * r;
        let a = 0.5 + 0.16666666 * r;
        let b = 0.04166636 + 0.00833339 * r;
        let c = 0.0013940838 + 0.00019846443 * r;
        let q = (r2 * a - rest) + (r2 * r2) * (b + r2 * c);
        (exact + q, q)
    }

    /// `2 artanh(s) / s - 2` for `z = s² ≤ 0.03`.
    #[inline(always)]
    fn artanh_series(z: f32) -> f32 {
        z * (0.66666776 + z * (0.39977494 + z * 0.2987313))
    }

    /// `erf(x) / x - 1` for `z = x² ≤ 1`.
    #[inline(always)]
    fn erf_near(z: f32) -> f32 {
        let z2 = z * z;
        let a = 0.12837917 - 0.37612626 * z;
        let b = 0.112835854 - 0.02685381 * z;
        let c = 0.0051883277 - 0.0008010196 * z + 7.853877e-05 * z2;
        a + z2 * (b + z2 * c)
    }

    /// `e^(x²) (1 - erf x) / t` for `t = 3 / (3 + x)`, `1 ≤ x ≤ 4`.
    #[inline(always)]
    fn erf_far(t: f32) -> f32 {
        let t2 = t * t;
        (0.2211476 - 0.062499057 * t) + t2 * ((0.92852753 - 0.93660706 * t) + 0.8491377 * t2)
    }

    /// `(n, r)`: the multiple of `½π` nearest `a ≥ 0`, its lowest bits at least, and what is left without it. In
    /// `f64`, where two parts of `½π` do, and `r` has all its digits even where `a` is all but a multiple.
    #[inline(always)]
    fn less_quarters(a: f32) -> (u32, f32) {
        const ROUND: f64 = 6755399441055744.0;
        let a = a as f64;
        let rounded = a * std::f64::consts::FRAC_2_PI + ROUND;
        let n = rounded - ROUND;
        let r = (a - n * 1.5707963267341256) - n * 6.077100506506192e-11;
        (rounded.to_bits() as u32, r as f32)
    }

    /// `sin r` for `|r| ≤ ¼π`.
    #[inline(always)]
    fn sin_reduced(r: f32) -> f32 {
        let z = r * r;
        r + (r * z) * (-0.16666654 + z * (0.008332151 - 0.00019513993 * z))
    }

    /// `cos r` for `|r| ≤ ¼π`.
    #[inline(always)]
    fn cos_reduced(r: f32) -> f32 {
        let z = r * r;
        1.0 - (0.5 * z - (z * z) * (0.041666646 - z * (0.0013887304 - 2.4431738e-05 * z)))
    }
}

/// On `f64`.
pub mod double {
    type Float = f64;
    type Bits = u64;

    const LOG2_E: f64 = std::f64::consts::LOG2_E;
    const LN_2_HIGH: f64 = 0.6931471805592082;
    const LN_2_LOW: f64 = 7.371002565167799e-13;
    /// `√½`, as bits.
    const SQRT_HALF: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
    /// `eˣ` is infinite from here on, and so is what [`exp`] makes of it.
    const EXP_MOST: f64 = 710.0;
    /// `eˣ` is 0 from here on down.
    const EXP_LEAST: f64 = -746.0;
    /// `2` to minus this power is nothing next to 1.
    const TINY_BITS: f64 = 58.0;
    /// `tanh x` is 1 from here on.
    const TANH_MOST: f64 = 20.0;
    /// `erf x` is 1 from here on.
    const ERF_MOST: f64 = 6.0;
    /// The largest argument that [`sin_near`] and [`cos_near`] take: `2²² · ½π`.
    pub const NEAR: f64 = 6588397.0;

    functions!();

    /// `eʳ - 1` and `eʳ - 1 - r`, for `|r| ≤ ½ ln 2`. `r` comes as the difference of an exact number and a small rest.
    #[inline(always)]
    fn exp_near_0((exact, rest): (f64, f64)) -> (f64, f64) {
        let r = exact - rest;
        let r2 = r * r;
        let r4 = r2 * r2;
        let r6 = r4 * r2;
        let a = 0.5000000000000006 + 0.16666666666666588 * r;
        let b = 0.04166666666657527 + 0.008333333333390276 * r;
        let c = 0.0013888888932100643 + 0.00019841269718863337 * r;
        let d = 2.480150458522355e-05 + 2.7557406280178005e-06 * r;
        let e = 2.762632614500819e-07 + 2.505463978449224e-08 * r;
        let q = ((r2 * a + r4 * b) + (r6 * c - rest)) + r6 * (r2 * d + r4 * e);
        (exact + q, q)
    }

    /// `2 artanh(s) / s - 2` for `z = s² ≤ 0.03`.
    #[inline(always)]
    fn artanh_series(z: f64) -> f64 {
        let z2 = z * z;
        let a = 0.6666666666666735 + 0.3999999999941123 * z;
        let b = 0.2857142874322511 + 0.22222198480415958 * z;
        let c = 0.18183569485016995 + 0.15313910291118135 * z + 0.14797432824907705 * z2;
        z * (a + z2 * (b + z2 * c))
    }

    /// `erf(x) / x - 1` for `z = x² ≤ 1`.
    #[inline(always)]
    fn erf_near(z: f64) -> f64 {
        let z2 = z * z;
        let z4 = z2 * z2;
        let a = (0.12837916709551256 - 0.3761263890318352 * z)
            + z2 * (0.11283791670944185 - 0.026866170643111496 * z);
        let b = (0.005223977606118922 - 0.0008548325929336301 * z)
            + z2 * (0.00012055293577455848 - 1.4924712310187371e-05 * z);
        let c = (1.644713164143383e-06 - 1.6206314084709713e-07 * z)
            + z2 * (1.3710981039398077e-08 - 7.779468526812056e-10 * z);
        a + z4 * (b + z4 * c)
    }

    /// `e^(x²) (1 - erf x) / t` for `t = 3 / (3 + x)`, `1 ≤ x ≤ 6`.
    #[inline(always)]
    fn erf_far(t: f64) -> f64 {
        let t2 = t * t;
        let t4 = t2 * t2;
        let a = (0.1880683256484491 + 0.1878981881511618 * t)
            + t2 * (0.17971308150206525 + 0.14176290890372717 * t);
        let b = (0.1955898696363336 - 0.12240316300139187 * t)
            + t2 * (0.531546108448882 - 0.7163288209237847 * t);
        let c = (0.8087844903317057 - 0.5750531905052964 * t)
            + t2 * (0.21223670151675725 - 0.03181454482071951 * t);
        a + t4 * (b + t4 * c)
    }

    /// `(n, r)`: the multiple of `½π` nearest `a ≥ 0`, its lowest bits at least, and what is left without it. With
    /// `½π` in four parts, `r` has all its digits even where `a` is all but a multiple.
    #[inline(always)]
    fn less_quarters(a: f64) -> (u64, f64) {
        const ROUND: f64 = 6755399441055744.0;
        let rounded = a * std::f64::consts::FRAC_2_PI + ROUND;
        let n = rounded - ROUND;
        // The first two differences are exact, and the last term moves the third only where it is tiny.
        let r = (a - n * 1.5707963267341256) - n * 6.077094383272197e-11;
        (rounded.to_bits(), (r - n * 6.12323399409214e-17) - n * 1.6446256936324258e-26)
    }

    /// `sin r` for `|r| ≤ ¼π`.
    #[inline(always)]
    fn sin_reduced(r: f64) -> f64 {
        let z = r * r;
        let z2 = z * z;
        let a = -0.1666666666666663 + 0.008333333333321893 * z;
        let b = -0.0001984126982940218 + 2.7557313554279618e-06 * z;
        let c = -2.5050736939738128e-08 + 1.5895585265939542e-10 * z;
        r + (r * z) * (a + z2 * (b + z2 * c))
    }

    /// `cos r` for `|r| ≤ ¼π`.
    #[inline(always)]
    fn cos_reduced(r: f64) -> f64 {
        let z = r * r;
        let z2 = z * z;
        let a = 0.04166666666666659 - 0.0013888888888872737 * z;
        let b = 2.4801587288646607e-05 - 2.755731411849991e-07 * z;
        let c = 2.08756923788927e-09 - 1.1358088532280048e-11 * z;
        1.0 - (0.5 * z - z2 * (a + z2 * (b + z2 * c)))
    }
}
