//! One loop, compiled for several instruction sets, the best chosen when the program runs.
//!
//! A loop is written once, in plain Rust, as a [`Kernel`], which has three copies of it, compiled with AVX-512, with AVX2 and
//! with what every processor of the target has; [`dispatch`] runs the best. Nothing else in the program depends on the
//! machine it was built on, so a plain `cargo build --release` uses the whole processor.
//!
//! Everything a kernel calls must be inlined into it, or that part stays compiled for the smallest processor:
//! hence `#[inline(always)]` on all the small functions down to the arithmetic.

use std::sync::OnceLock;

/// A loop to be compiled for every instruction set.
pub trait Kernel {
    /// What the loop computes.
    type Out;
    /// The loop. Mark the implementation `#[inline(always)]`.
    fn run(self) -> Self::Out;

    // Copies are methods, so that they are compiled where the kernel is: functions of this module would be one unit, which one
    // core compiles alone. They are not inlined into what runs them.

    /// The copy for every processor.
    #[doc(hidden)]
    #[inline(never)]
    fn portable(self) -> Self::Out
    where
        Self: Sized,
    {
        self.run()
    }

    /// The copy for [`Level::Avx2`].
    ///
    /// # Safety
    /// On a processor that has these instructions.
    #[doc(hidden)]
    #[cfg(target_arch = "x86_64")]
    #[inline(never)]
    #[target_feature(enable = "avx2,fma,bmi2")]
    unsafe fn avx2(self) -> Self::Out
    where
        Self: Sized,
    {
        self.run()
    }

    /// The copy for [`Level::Avx512`].
    ///
    /// # Safety
    /// On a processor that has these instructions.
    #[doc(hidden)]
    #[cfg(target_arch = "x86_64")]
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma,bmi2")]
    unsafe fn avx512(self) -> Self::Out
    where
        Self: Sized,
    {
        self.run()
    }
}

/// An instruction set, from the smallest to the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every processor of the target has.
    Portable,
    /// x86-64 with AVX2, FMA and BMI2.
    Avx2,
    /// x86-64 with AVX-512 F, VL, DQ and BW.
    Avx512,
}

/// The instruction set in use: the largest the processor has, or the smaller one that the environment variable
/// `FEMTOGRAD_SIMD` (`portable`, `avx2` or `avx512`) asks for.
///
/// # Panics
/// If the variable holds anything else, or asks for more than the processor has: a test that believes it runs on
/// one instruction set must not quietly run on another.
#[inline]
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let best = detect();
        let Ok(wish) = std::env::var("FEMTOGRAD_SIMD") else { return best };
        let wish = match wish.as_str() {
            "portable" => Level::Portable,
            "avx2" => Level::Avx2,
            "avx512" => Level::Avx512,
            other => panic!("FEMTOGRAD_SIMD is {other:?}: it takes portable, avx2 or avx512"),
        };
        assert!(wish <= best, "FEMTOGRAD_SIMD asks for {wish:?}, this processor has {best:?}");
        wish
    })
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
fn detect() -> Level {
    let avx2 = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("bmi2");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw");
    match (avx2, avx512) {
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
        _ => Level::Portable,
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn detect() -> Level {
    Level::Portable
}

/// At the beginning of a cache line. Vectors that a loop keeps in memory lie on one line each then, not across two, which
/// made sums wait for their own last store.
#[repr(align(64))]
pub(crate) struct Aligned<T>(pub T);

/// Runs `kernel` on the best instruction set.
#[inline]
pub fn dispatch<K: Kernel>(kernel: K) -> K::Out {
    match level() {
        // SAFETY: `level` returns these only when the processor has the features named above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { kernel.avx512() },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { kernel.avx2() },
        _ => kernel.portable(),
    }
}

/// Runs one of three kernels: made for AVX-512, for AVX2 and for every processor. Unlike [`dispatch`], it compiles each for its
/// own instruction set alone.
macro_rules! dispatch_one {
    ($avx512:expr, $avx2:expr, $portable:expr $(,)?) => {
        match $crate::simd::level() {
            // SAFETY: `level` says so only where the processor has these instructions.
            #[cfg(target_arch = "x86_64")]
            $crate::simd::Level::Avx512 => unsafe { $avx512.avx512() },
            // SAFETY: `level` says so only where the processor has these instructions.
            #[cfg(target_arch = "x86_64")]
            $crate::simd::Level::Avx2 => unsafe { $avx2.avx2() },
            _ => $portable.portable(),
        }
    };
}
pub(crate) use dispatch_one;
