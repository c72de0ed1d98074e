//! The elementary functions: how far off they are, and what they make of the ends of the number line.

// Nothing here is unsafe, and millions of function values are what Miri is slowest at.
#![cfg(not(miri))]

use femtograd_kernels::math::{double, single};

/// An error allowed in units in the last place, and a function in `f32`, in `f64`, and as the standard library has it.
type Case = (&'static str, f64, fn(f32) -> f32, fn(f64) -> f64, fn(f64) -> f64);

fn sigmoid(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

/// The bounds are those of the documentation.
const CASES: [Case; 9] = [
    ("exp", 0.9, single::exp, double::exp, f64::exp),
    ("exp_m1", 1.7, single::exp_m1, double::exp_m1, f64::exp_m1),
    ("ln", 0.9, single::ln, double::ln, f64::ln),
    ("ln_1p", 0.9, single::ln_1p, double::ln_1p, f64::ln_1p),
    ("tanh", 1.9, single::tanh, double::tanh, f64::tanh),
    ("sigmoid", 1.7, single::sigmoid, double::sigmoid, sigmoid),
    // There is no other to compare with; `table` does that for the `f64` one.
    ("erf", 1.8, single::erf, double::erf, double::erf),
    ("sin", 1.6, single::sin, double::sin, f64::sin),
    ("cos", 1.6, single::cos, double::cos, f64::cos),
];

/// The distance of `y` from `exact` in units in the last place that an `f32` so large has.
fn ulps_single(y: f32, exact: f64) -> f64 {
    let rounded = exact as f32;
    if exact.is_nan() || y.is_nan() {
        return if exact.is_nan() && y.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if rounded.is_infinite() || y.is_infinite() || exact == 0.0 {
        return if rounded.to_bits() == y.to_bits() { 0.0 } else { f64::INFINITY };
    }
    let exponent = (((exact.to_bits() >> 52) & 0x7ff) as i32 - 1023).max(-126);
    (y as f64 - exact).abs() * f64::from_bits(((1023 + 23 - exponent) as u64) << 52)
}

/// How many `f64` there are from one to the other.
fn steps(a: f64, b: f64) -> u64 {
    let place = |v: f64| (v.abs().to_bits() as i64) * if v.is_sign_negative() { -1 } else { 1 };
    if a.is_nan() || b.is_nan() {
        return if a.is_nan() && b.is_nan() { 0 } else { u64::MAX };
    }
    place(a).abs_diff(place(b))
}

fn sweep(stride: usize) {
    let check = move |(name, bound, f, _, exact): Case| {
        let (mut worst, mut at) = (0.0, 0.0);
        for bits in (0..=u32::MAX).step_by(stride) {
            let x = f32::from_bits(bits);
            let ulps = ulps_single(f(x), exact(x as f64));
            if ulps > worst {
                (worst, at) = (ulps, x);
            }
        }
        println!("{name}: {worst:.3} ulp at {at:e}");
        assert!(worst <= bound, "{name}({at:e}) is off by {worst} ulp");
    };
    std::thread::scope(|scope| {
        for case in CASES {
            scope.spawn(move || check(case));
        }
    });
}

#[test]
fn single_on_some_arguments() {
    sweep(9973);
}

#[test]
#[ignore = "all 2³² arguments of nine functions: half an hour of processor time"]
fn single_on_every_argument() {
    sweep(1);
}

#[test]
fn double_next_to_the_standard_library() {
    for (name, _, _, f, exact) in CASES {
        // Every magnitude, and then the few where something happens.
        let all = (0..u64::MAX).step_by(0x0000_1234_5678_9abc).map(f64::from_bits);
        let middle = (0..200_000).map(|i| i as f64 * 3.7e-4 - 37.0);
        let far = (0..20_000).map(|i| i as f64 * 0.0731 - 731.0);
        for x in all.chain(middle).chain(far) {
            // The standard library's own error is 1 ulp, so is that of `sigmoid` made of it once more.
            let (y, want) = (f(x), exact(x));
            assert!(steps(y, want) <= 4, "{name}({x:e}) = {y:e}, std {want:e}");
        }
    }
}

#[test]
fn double_next_to_eighty_digits() {
    for (name, rows) in TABLE {
        let f = CASES.iter().find(|case| case.0 == *name).unwrap().3;
        for &(x, y) in *rows {
            let (x, want) = (f64::from_bits(x), f64::from_bits(y));
            assert!(steps(f(x), want) <= 2, "{name}({x:e}) = {:e}, exactly {want:e}", f(x));
        }
    }
}

#[test]
fn ends_of_the_number_line() {
    const INF: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;
    // At -∞, -1, -0, 0, ∞; NaN is NaN everywhere.
    let want: [(&str, [f64; 5]); 9] = [
        ("exp", [0.0, (-1f64).exp(), 1.0, 1.0, INF]),
        ("exp_m1", [-1.0, (-1f64).exp_m1(), -0.0, 0.0, INF]),
        ("ln", [NAN, NAN, -INF, -INF, INF]),
        ("ln_1p", [NAN, -INF, -0.0, 0.0, INF]),
        ("tanh", [-1.0, (-1f64).tanh(), -0.0, 0.0, 1.0]),
        ("sigmoid", [0.0, sigmoid(-1.0), 0.5, 0.5, 1.0]),
        ("erf", [-1.0, -0.8427007929497149, -0.0, 0.0, 1.0]),
        ("sin", [NAN, (-1f64).sin(), -0.0, 0.0, NAN]),
        ("cos", [NAN, (-1f64).cos(), 1.0, 1.0, NAN]),
    ];
    for ((name, _, single, double, _), (same, values)) in CASES.into_iter().zip(want) {
        assert_eq!(name, same);
        for (x, y) in [-INF, -1.0, -0.0, 0.0, INF].into_iter().zip(values).chain([(NAN, NAN), (-NAN, NAN)]) {
            assert!(steps(double(x), y) <= 2, "{name}({x}) = {}, not {y}", double(x));
            // Zeros have a sign, and `steps` does not see it.
            assert!(y != 0.0 || double(x).to_bits() == y.to_bits(), "{name}({x}) = {}", double(x));
            assert!(ulps_single(single(x as f32), y) <= 2.0, "{name}({x}) = {}, not {y}", single(x as f32));
        }
    }
}

#[test]
fn subnormal_numbers_in_and_out() {
    let tiny = f64::from_bits(1);
    for (name, _, single, double, _) in CASES {
        if ["exp_m1", "ln_1p", "tanh", "sin"].contains(&name) {
            assert_eq!(double(tiny), tiny, "{name}");
            assert_eq!(single(f32::from_bits(1)), f32::from_bits(1), "{name}");
        }
    }
    assert_eq!(double::exp(-745.0), tiny);
    assert_eq!(double::exp(-745.2), 0.0);
    assert_eq!(double::sigmoid(-745.0), tiny);
    assert!(double::exp(709.782712893383) < f64::INFINITY);
    assert_eq!(double::exp(709.782712893385), f64::INFINITY);
}

#[test]
fn near_is_near() {
    for sign in [-1.0, 1.0] {
        assert_eq!(double::sin_near(sign * double::NEAR), double::sin(sign * double::NEAR));
        assert_eq!(single::cos_near(sign as f32 * single::NEAR), single::cos(sign as f32 * single::NEAR));
        assert!(double::sin_near(sign * double::NEAR.next_up()).is_nan());
        assert!(double::cos_near(sign * double::NEAR.next_up()).is_nan());
        assert!(single::sin_near(sign as f32 * single::NEAR.next_up()).is_nan());
        assert!(single::cos_near(sign as f32 * single::NEAR.next_up()).is_nan());
    }
}

/// Arguments and correctly rounded results, as bits.
type Row = (&'static str, &'static [(u64, u64)]);

/// Computed with 80 digits.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("exp", &[
        (0xbfd68ca5e0d58b24, 0x3fe67f58176a7af6), (0xbfe6587cb4d766c8, 0x3fdfd5e219d89f9f),
        (0x3fd351d220c5c7fc, 0x3ff5a35d62530552), (0xbfeb5d34316e07c0, 0x3fdb36f3b45997dc),
        (0x3fb25f2046063a00, 0x3ff130bfe79a4670), (0xbfd1311b06ace67c, 0x3fe8763a28c4d9ee),
        (0xbfec49bee0b8ed14, 0x3fda70a8e5673f74), (0x3f8e74ee6deceb80, 0x3ff03d5e64372ae2),
        (0xbfed99abcf4ffae6, 0x3fd960b6e02d1222), (0xbfc0fc98b29e5570, 0x3fec05e66470fbe3),
        (0xc082d19e878f1262, 0x09a2734812c54e8e), (0xc081e803a5ec88aa, 0x0c44280ef199758a),
        (0xc05a6b14a5a9f668, 0x36675bd7cea6074f), (0x407c997cd2df4534, 0x6931f708ad77ca9a),
        (0xc080756b04599207, 0x1071f15e71133b67), (0xc07837727b3a3f5a, 0x1d000fb1d5826348),
        (0x40664d022420c858, 0x5004e93667afbdc3), (0x40839657146e9b5a, 0x78734c8fe2efe8e1),
        (0x405afc6c981e1058, 0x49aa8bf1aaca33de), (0xc06214b6f8ea4cc4, 0x32e3f219e760d731),
        (0xc08748cccccccccd, 0x0000000000000001), (0xc087400000000000, 0x0000000000000002),
        (0xc086840000000000, 0x00000005cf08fff0), (0xc086240000000000, 0x000e6cf6d08897ac),
        (0x40862e3d70a3d70a, 0x7fefe9ce5c4c52b4), (0x406a09cf0537542c, 0x52b6fcd4578c97e9),
        (0x01a56e1fc2f8f359, 0x3ff0000000000000), (0xbc670ef54646d497, 0x3ff0000000000000),
        (0x3fd62e42fead449c, 0x3ff6a09e66640654), (0xbfd62e42fead449c, 0x3fe6a09e669a7145),
    ]),
    ("exp_m1", &[
        (0x3fee7af6b1c4c68c, 0x3ff979af9c0ac0ca), (0xbfed04ca138bf348, 0xbfe314113b2e2e92),
        (0x3fe6f125b110bdf4, 0x3ff0c538df7d845e), (0xbfdaee15394b34dc, 0xbfd5fb5a8dd3c98b),
        (0xbfe6c48653acace2, 0xbfe04a72573f5d0f), (0xbfe876178b6ec4ce, 0xbfe119c179184601),
        (0xbfd883aae7092fac, 0xbfd45d95623be495), (0x3fe43b6a0d74bdd4, 0x3fec381329765f04),
        (0xbfe46efa9f2cf122, 0xbfde3447fb6b8f8b), (0x3fc4e3bf92474e68, 0x3fc6b0dd8fb39fac),
        (0x407b0cbc47e60c93, 0x66f501091ee1d72f), (0x406d725fb22064fe, 0x552d132e4e138d96),
        (0x4076d54b62a5ec86, 0x60e0b12681b68873), (0x4019daf942d0f6f8, 0x4084042a6e61bd45),
        (0x40106b61ef089678, 0x404dd13abf4862ba), (0x405c1a34633ac614, 0x4a12086655156bde),
        (0x407cf7ef88e2f22a, 0x69b9b1a1298fa4ab), (0x407146b161d64c70, 0x58db9d248b022536),
        (0x3d52a4856b672188, 0x3d52a4856b67243f), (0x3e4f2e4bce35b44a, 0x3e4f2e4bd201f306),
        (0x3dd37d8ca80f7e50, 0x3dd37d8ca8127611), (0x3d44ea502e490f29, 0x3d44ea502e4910de),
        (0xbf10d79b5c8f5420, 0xbf10d777e7a0db1f), (0xbeb74a66170258bc, 0xbeb74a6507c8654d),
        (0xbd11d8cb37938d79, 0xbd11d8cb37938d51), (0xbe43ed09c8cb8bfe, 0xbe43ed09c73e810f),
        (0x3fd6501f1232f16d, 0x3fdab268c9579016), (0x40862d999999999a, 0x7fed75ae7a50ee14),
        (0xc042000000000000, 0xbfeffffffffffffe), (0x0000000000000001, 0x0000000000000001),
    ]),
    ("ln", &[
        (0x3ff49aceac7c3fd6, 0x3fd030069c9328c0), (0x3ffd00d84307ca11, 0x3fe308c5d212e946),
        (0x3ff981b63c58b464, 0x3fddd8b5c298c5b1), (0x3fedd22de3a75c6c, 0xbfb20dc572dd1b78),
        (0x3fff8631bb3837e0, 0x3fe5b38a94baf4e8), (0x3fe5aacad312542d, 0xbfd8f4bfaa3c4121),
        (0x3ff208f2557eb0de, 0x3fbea6257d017e48), (0x3ffa2bdfb606b2e8, 0x3fdf7e33f0cc536a),
        (0x3fe74b96019980c6, 0xbfd451b1348e1928), (0x3ff3bc307543dd45, 0x3fcadb146c56d904),
        (0x05121c90a33d4a89, 0xc0846690c14c4ee9), (0x5576a659816af933, 0x406dd94941e5f699),
        (0x61c7622fa19295b4, 0x407775f3fde0280e), (0x494c9a218862f39e, 0x4059f7074c39dbc2),
        (0x6ff46c4bdb86a558, 0x4080a4a61c9c00e8), (0x28287b7435b7b8d3, 0xc0707a9e952b83fc),
        (0x58ed6d1456bd6f60, 0x407152ccdfbfc068), (0x4c066a43a2ebfa1e, 0x4060c3aa685f3bb1),
        (0x4a2d8ffb24ffb947, 0x405c6633b4aca7c1), (0x3a5eb1c2bb1cb028, 0xc04eddaa29d416f5),
        (0x0000000000000001, 0xc0874385446d71c3), (0x000012688b70e62b, 0xc0864e69394d9508),
        (0x000fd1d7d505cd02, 0xc0862343131aa1ed), (0x7fee42d130773b76, 0x40862dd08fdc6f88),
        (0x3ff0000000000001, 0x3cafffffffffffff), (0x3fefffffffffffff, 0xbca0000000000000),
        (0x3ff69fc2630180e9, 0x3fd62bd4a844b0f9), (0x4000000000000000, 0x3fe62e42fefa39ef),
        (0x4024000000000000, 0x40026bb1bbb55516), (0x3fe6a09e667f3bcc, 0xbfd62e42fefa39f1),
    ]),
    ("ln_1p", &[
        (0x3feae1041c5fd7a0, 0x3fe3830e5d887518), (0x3fee3ad3d9146af6, 0x3fe5487b9b089ed0),
        (0x3fde57a08d938aca, 0x3fd8d5c1035fb403), (0x3fe540bc20428f5a, 0x3fe04c50aa41f204),
        (0x3faf10102ecb5080, 0x3fae282c3da20486), (0x3fe6729f653d09b7, 0x3fe10217e0559b99),
        (0x3fe4b547924fd122, 0x3fdff02afa223867), (0x3fefc77122b9963c, 0x3fe611ef0a250576),
        (0x3fea4d3535c8560d, 0x3fe33253e3bdc94f), (0x3fd236d02dbba75a, 0x3fd00745e25a5a45),
        (0x3fd8b0ce9718a894, 0x3fd4e1a1804863bd), (0x3fe5659a61635558, 0x3fe0627084ddc86c),
        (0xbfef472a1c3cc6a0, 0xc00e54e233b64bf4), (0xbfe139cace940138, 0xbfe8bb3041aed7d3),
        (0xbfea9f59018e6b1c, 0xbffc893ad4c43a27), (0xbfec40c052067558, 0xc0012879769d343f),
        (0xbfee1d0b9f208e25, 0xc006a5de720bcfa6), (0xbfcdaa8a9b66adc8, 0xbfd0dfd782904483),
        (0xbfebdc71e50bea79, 0xc0005ccaf287b896), (0xbfe8138a0e688d83, 0xbff65587232263ae),
        (0x56a51731cf832976, 0x406f7c6ff283c9a3), (0x772ae89d20de84d6, 0x4083248cf1320a56),
        (0x41a3497220cb75f1, 0x4032e6dd1870acab), (0x5a96293b793807ec, 0x407279b401d51080),
        (0x61607d27509dd215, 0x40772dd2490329e0), (0x77fa139c40e4d9c1, 0x40836c62f773047c),
        (0x73a36d906d9bd484, 0x4081eb6a2d44cb74), (0x76a9e7c7f9921da1, 0x4082f7e29a1e66a6),
        (0xbfd312b77130dc0a, 0xbfd6a56c48270911), (0x7fe1ccf385ebc8a0, 0x40862991d5d62a5e),
        (0x3fefffffffffffff, 0x3fe62e42fefa39ef), (0xbfefffffffffffff, 0xc0425e4f7b2737fa),
    ]),
    ("tanh", &[
        (0xbfdc5cb2d4b29960, 0xbfdaa3faff07ff91), (0xbfc5af20a06edc98, 0xbfc57aa06ae1071c),
        (0xbfd213c955139100, 0xbfd19c84f164b0e0), (0x3fe8969d830b24ce, 0x3fe4abf2b5b6f95b),
        (0x3fed4b77d1d8943e, 0x3fe728e899009275), (0xbfe6574fd7560c20, 0xbfe34d64a4e7215e),
        (0xbfe4b8d946ca2414, 0xbfe23dabaca3613d), (0xbfe1279e62bb5b9c, 0xbfdf5c7b9a84c70b),
        (0xbfe1110587e74b7c, 0xbfdf3a1820a16fa5), (0xbf9ecbdc2b3d7400, 0xbf9ec97be55ed193),
        (0x400c84ff574b30e8, 0x3feff2e3d33a622a), (0xc022faf3012e41e3, 0xbfeffffff9dd3a68),
        (0xc033d614dd4588c3, 0xbff0000000000000), (0xc009efe7129dc9e0, 0xbfefe703f9a00933),
        (0xc014eb5fa7cdc2a8, 0xbfefff87c264e20b), (0x40053aac4cbe9560, 0x3fefaf3674979628),
        (0x40321fb906a0a10e, 0x3feffffffffffffd), (0x401e7a9ec52f1d28, 0x3feffffefd7e3817),
        (0x3e0dd37ada21651c, 0x3e0dd37ada21651c), (0x3e6c4101523a92d9, 0x3e6c4101523a92d2),
        (0x3ea2a17128e4f049, 0x3ea2a17128e4ee2e), (0x3c618729ac258f9e, 0x3c618729ac258f9e),
        (0x3f72098f06679c26, 0x3f720987624c0caa), (0x3f02df6a9466ebef, 0x3f02df6a9443e92a),
        (0x3fc631be3f76ea29, 0x3fc5f97a981473a6), (0x3fcaeff1aed827f0, 0x3fca8be9b3be6003),
        (0x3fe0d1f921ddc505, 0x3fded9a817887ad6), (0xbfd62d0e56041893, 0xbfd55442f64fb9aa),
        (0x0000000000000001, 0x0000000000000001), (0x4033000000000000, 0x3fefffffffffffff),
    ]),
    ("sigmoid", &[
        (0x400df607aece45b0, 0x3fef42df3cd7224c), (0x4007d4710797bc54, 0x3fee738a2c674a8f),
        (0xbff13828f409e230, 0x3fd045339df8ff07), (0xbff029d3b81e1b06, 0x3fd11584e9d71ffb),
        (0xc00fb78f712f4d36, 0x3f931192d3d7986d), (0x3ff57c8028024428, 0x3fe95ff9a97f06e3),
        (0xc0118295120c0512, 0x3f89658da1328c62), (0xc0114e5c4413a01f, 0x3f8ab54879a00354),
        (0xc0074c87ab97fec8, 0x3faa642d38709ad8), (0xc00b0407dce69564, 0x3fa0e86678ce9284),
        (0xc07de0ed16b8dbb3, 0x14d3cfbb858bbd56), (0xc085fdd340cda1cc, 0x007aa0d5f0667bb6),
        (0xc0874688f515132b, 0x0000000000000001), (0xc083920e64c7c11c, 0x0776a905669e5a05),
        (0xc084cacdc3cb1342, 0x03f12c9b68f1f6a1), (0xc07cb90f337a6eb9, 0x167fb17c55ddc5d7),
        (0xc086a7dabc09cd62, 0x0000000010d2a396), (0xc04d53152d3c1d40, 0x3aa4ed2dbf02018d),
        (0xc0706f4b23b151e5, 0x2838d86c5630c781), (0xc083a31a5b11fd0d, 0x07458662c45422c4),
        (0xc087480000000000, 0x0000000000000001), (0xc0862c0000000000, 0x00054e90c99fb878),
        (0xc04259999999999a, 0x3ca0998b04bdd18f), (0x404259999999999a, 0x3fefffffffffffff),
        (0x3c670ef54646d497, 0x3fe0000000000000), (0xbc670ef54646d497, 0x3fe0000000000000),
        (0xbff19bf117b94ab3, 0x3fcff3f796f99d3a), (0xc044000000000000, 0x3c539792499b1a24),
        (0xbff0000000000000, 0x3fd136561454ba86), (0x0000000000000001, 0x3fe0000000000000),
    ]),
    ("erf", &[
        (0xbfdfb60490b6672c, 0xbfe0875ac6e325b3), (0xbfd388bd465d1080, 0xbfd5604b9f38ab22),
        (0xbfd16317a869e028, 0xbfd325a4dcace7c8), (0xbfe8235a5713c18a, 0xbfe6d871602af76b),
        (0x3fe654fb8be79038, 0x3fe5a47d3fa70fb8), (0x3fef8efeb7d294dc, 0x3feac7d87ac55033),
        (0xbfb169d4614134f0, 0xbfb39e5ffa6d93ac), (0xbfa08da5d8153940, 0xbfa2ac020c1ecfcb),
        (0xbfea80dd9ed8d8ee, 0xbfe845cb51de0df3), (0xbfe975c21200aaf6, 0xbfe7a9e41827183d),
        (0xbffe36c3663b4838, 0xbfefc1f7463026c3), (0xc0069555aa41ac66, 0xbfefff76b7edbbc8),
        (0x400f91f3244dff94, 0x3feffffff326a895), (0xc010403e0ae6e902, 0xbfeffffffb14f362),
        (0xc016e43324c4ca2e, 0xbfeffffffffffffb), (0x4015a5b5f1b64dde, 0x3fefffffffffff50),
        (0x3fd5b3a142ba6da0, 0x3fd794a7f9bf8288), (0xc010f68c49dc0e64, 0xbfeffffffeec5aa5),
        (0x3fe09405abe10600, 0x3fe128d50896e01c), (0xc016b3b3ad737e10, 0xbfeffffffffffff7),
        (0x3e18c45a822fe66a, 0x3e1bf252a6bcbe9d), (0x3fbaf74ec6270bba, 0x3fbe50d58740b849),
        (0x3f50d425a0be7182, 0x3f52fd38ba838b2c), (0x3eb4d0214b56d211, 0x3eb77c26a4f5852e),
        (0x3d21b012a34e3320, 0x3d23f5620d911ac8), (0x3d83462834bc4273, 0x3d85bf999b69ee02),
        (0x3ff021d3c184c7fe, 0x3feb1341e6e38a78), (0x3fefffffca501acb, 0x3feaf76790f7d6bb),
        (0x3ff0000000000000, 0x3feaf767a741088b), (0x0000000000000001, 0x0000000000000001),
    ]),
    ("sin", &[
        (0xc0054f2eed2788c6, 0xbfdd6fad09b4f839), (0x4001676e41c84790, 0x3fea534d6696a4b9),
        (0x3fd0aff362a90920, 0x3fd07fb5d5c1cfba), (0x4001dc090c058604, 0x3fe93f5b3cd4288b),
        (0xbff5cd8995d12248, 0xbfef4f3b5b27a974), (0xc001b9af6b181bce, 0xbfe992dd338b1785),
        (0x4003efccde4ea444, 0x3fe35a7171733904), (0x400f090746110b58, 0xbfe5868a2ae5f9db),
        (0x40069178618fa8b8, 0x3fd42a9a2935c308), (0x400396caa1ea4414, 0x3fe4713758eb6aec),
        (0x414f92ac21b1840c, 0x3fe2ef25b425ca6e), (0x4147ca86a1e7ba6c, 0xbfee6bc2ca29840b),
        (0xc14b1a41509662a6, 0x3fe41b2576e4064a), (0x410bfdbb524253e0, 0xbfefb1ebac61cb50),
        (0xc13ca6b6efb6f688, 0xbfeabf12116e28fe), (0xc1575bbe82954b8c, 0x3fef3b42fc50bc86),
        (0xc15768fc813fb422, 0x3fdde3eaa5735961), (0xc145e0b37f05bcf3, 0xbfed9ef4ecb8cb3d),
        (0xc147e2b6a385bf7c, 0x3feca8971505ad84), (0x414318409efd2f74, 0xbfe902385c48472a),
        (0x3ff921fb54442d18, 0x3ff0000000000000), (0x400921fb54442d18, 0x3ca1a62633145c07),
        (0x4012d97c7f3321d2, 0xbff0000000000000), (0x4076300000000000, 0xbeff9bd0307d1de3),
        (0x4137f7ec53a8d491, 0xbddeacd7c60e9693), (0x415921faefbc3fc7, 0xbff0000000000000),
        (0x4480f0cf064dd592, 0xbfeb453ab76bf397), (0x7e37e43c8800759c, 0xbfea2c16b010e385),
        (0x0000000000000001, 0x0000000000000001), (0x415465199f0eb002, 0x3fbff0df92dc2517),
    ]),
    ("cos", &[
        (0x400d378b02c1165a, 0xbfebeb691f2660f5), (0xbfdb04f94c407580, 0x3fed30bac66733c3),
        (0x400bf827c5c8f74e, 0xbfee026769271c27), (0x400f3c03facbd0f6, 0xbfe72287c097b2fb),
        (0x400d1ebaf7cbce82, 0xbfec1b61ecf8ed5f), (0xbff1539c7eb61da8, 0x3fde001e9c60c879),
        (0xc001e3f1ff2ec83c, 0xbfe3c2342b82218a), (0xc0017b5ba43d46b6, 0xbfe272ad446f37ee),
        (0xc003692a8d4c504c, 0xbfe8286c934f7efd), (0xc002eb8bfc2386ac, 0xbfe6d379c4d8a7cb),
        (0x41389c3f2aac4d98, 0x3fe3882c8dbf1f9d), (0x4153da0a191e9cfe, 0xbfe138b9f952a3ec),
        (0x4150e1ef76b24540, 0x3fef067b136ea36f), (0xc1104975d59b3d40, 0x3fc30d5c777275b0),
        (0x413e586a8e932b38, 0x3f8b77f642e239a4), (0x414db824576e09a4, 0x3fdadbf375425c56),
        (0xc154975deb45f5ec, 0x3fbbd06c6c77847f), (0x413fdabd73e1c360, 0x3feffffd467aaae2),
        (0x4154523fb2716aa4, 0xbfaca0da1bf06825), (0x414bffd8bf23a408, 0xbfd6797786d79d36),
        (0x3ff921fb54442d18, 0x3c91a62633145c07), (0x400921fb54442d18, 0xbff0000000000000),
        (0x4012d97c7f3321d2, 0xbcaa79394c9e8a0a), (0x40989177ef1fa515, 0xbcf3f552891590a4),
        (0x4137f7eac1891f4d, 0xbdcbf0ed575866c4), (0x415921faefbc3fc7, 0xbdeaf21bd8f78675),
        (0x4480f0cf064dd592, 0x3fe0be2cef01c8f4), (0x7e37e43c8800759c, 0xbfe2699022adc4c1),
        (0x0000000000000001, 0x3ff0000000000000), (0x40d32baf82b73c18, 0xbfdeb85b71ec919f),
    ]),
];
